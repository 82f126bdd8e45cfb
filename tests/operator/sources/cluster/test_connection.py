"""The cluster to speak to is found, or what is missing is told."""

import asyncio
from pathlib import Path

import pytest

from tests.operator.sources.cluster.api_server import kubeconfig
from wsgate_operator.sources.cluster.connection import NoClusterError, connect


def test_a_kubeconfig_that_was_named_comes_before_the_service_account(tmp_path: Path) -> None:
    environ = kubeconfig(tmp_path, "http://api.test", token="mine") | {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}

    async def found() -> tuple[str, str]:
        async with await connect(environ) as api:
            (header,) = (await api.configuration.auth_settings()).values()
            return api.configuration.host, str(header["value"])

    assert asyncio.run(found()) == ("http://api.test", "Bearer mine")


@pytest.mark.parametrize(
    "environ",
    [
        {"KUBECONFIG": "/nowhere/kubeconfig"},
        {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"},
    ],
)
def test_a_missing_configuration_names_what_to_set(environ: dict[str, str]) -> None:
    with pytest.raises(NoClusterError, match="set KUBECONFIG"):
        asyncio.run(connect(environ))


def test_a_broken_kubeconfig_is_told_and_not_raised_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "kubeconfig").write_text("clusters: [{]")
    with pytest.raises(NoClusterError):
        asyncio.run(connect({"KUBECONFIG": str(tmp_path / "kubeconfig")}))
