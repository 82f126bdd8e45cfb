"""One configuration for all who speak to the API server: lister, watch and sinks."""

from collections.abc import Mapping

import yaml
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config

DEFAULT_KUBECONFIG = "~/.kube/config"


class NoClusterError(Exception):
    """Nothing says where the API server is, or what says it cannot be used; the text names the fix."""


async def connect(environ: Mapping[str, str]) -> ApiClient:
    """A client for the cluster that the environment names; the caller closes it.

    KUBECONFIG comes first, because somebody has set it; then the pod's service account, whose token
    is read anew every minute; then ~/.kube/config. Raises NoClusterError.
    """
    configuration = Configuration()
    # Pauses and repetitions are the callers': they count calls and know what can wait.
    configuration.retries = None
    try:
        if environ.get("KUBECONFIG"):
            await _load_file(environ["KUBECONFIG"], configuration)
        elif environ.get("KUBERNETES_SERVICE_HOST"):
            load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]  # no types
        else:
            await _load_file(DEFAULT_KUBECONFIG, configuration)
    except (ConfigException, OSError, ValueError, yaml.YAMLError) as error:
        fix = "set KUBECONFIG to a readable file, or run in a pod with a service account's token"
        raise NoClusterError(f"no cluster to speak to: {error}; {fix}") from error
    return ApiClient(configuration)


async def _load_file(path: str, configuration: Configuration) -> None:
    options = {"client_configuration": configuration, "persist_config": False}
    await load_kube_config(path, **options)  # type: ignore[no-untyped-call]  # no types
