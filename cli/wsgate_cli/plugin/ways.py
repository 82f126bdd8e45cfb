"""Which pods a command means, and with which token: flags, then the environment, then the cluster."""

import argparse
import os

from wsgate_cli.plugin.admin_client import check_url
from wsgate_cli.plugin.flags import kubectl_flags
from wsgate_cli.plugin.kubectl import Kubectl, KubectlError
from wsgate_cli.plugin.pods import Target, pod_targets, token_from_file, token_from_secret, url_target

NAMESPACE = "wsgate-system"
GATEWAY = "wsgate"
TOKEN_FILE_VARIABLE = "WSGATE_ADMIN_TOKEN_FILE"


class Unusable(Exception):
    """The command cannot be run like this; the message names the way out."""


def find_targets(options: argparse.Namespace) -> tuple[Target, ...]:
    """The pods to ask, at least one; raises Unusable, KubectlError, NoPods."""
    try:
        urls = [check_url(url) for url in options.admin_url]
    except ValueError as error:
        raise Unusable(f"--admin-url: {error}") from None
    token = _token(options)
    if urls:
        return tuple(url_target(url, token) for url in urls)
    kubectl = Kubectl.find(kubectl_flags(options))
    return pod_targets(kubectl, options.namespace or NAMESPACE, options.gateway_name or GATEWAY, token)


def _token(options: argparse.Namespace) -> str:
    path = options.admin_token_file or os.environ.get(TOKEN_FILE_VARIABLE)
    secret = f"{options.gateway_name or GATEWAY}-admin"
    try:
        if path:
            return token_from_file(path)
        kubectl = Kubectl.find(kubectl_flags(options))
        return token_from_secret(kubectl, options.namespace or NAMESPACE, secret)
    except (KubectlError, ValueError, OSError) as error:
        where = path or f"Secret {secret}"
        ways = f"give --admin-token-file FILE, or set {TOKEN_FILE_VARIABLE}"
        raise Unusable(f"no admin token: {where}: {getattr(error, 'strerror', None) or error}; {ways}") from None
