"""The peers that are compared, all in front of the same upstream; those in Python are configured here."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from .envoy import envoy_program, envoy_version
from .native import (
    haproxy_program,
    haproxy_version,
    nginx_64k_program,
    nginx_program,
    nginx_version,
)
from .processes import Program, accepts, answers_200, free_port
from .sites import PYTHON_ENVIRONMENT, Site, module_command
from .tokens import AUDIENCE, ISSUER

MESSAGE_BYTES_MAX = 16_777_216
IDLE_SECONDS = 3600
"""As nginx and HAProxy are told: nobody pings or closes what is idle while it is measured."""

RATE_LIMIT = {"messagesPerSecond": 1_000_000, "burst": 1_000_000, "bytesPerSecond": 1_000_000_000_000}
"""Counted for every message and never reached."""


@dataclass(frozen=True)
class Peer:
    """How to start it, and which version it is; version raises FileNotFoundError when it is not there."""

    program: Callable[[Site], Program]
    version: Callable[[], str]


def upstream_program(port: int) -> Program:
    """The echo server behind every peer."""
    command = module_command("echo_server", "--port", str(port))
    return Program(command, lambda: accepts(port), PYTHON_ENVIRONMENT)


def wsgate_program(site: Site) -> Program:
    """The gateway with everything on: it verifies every token, and counts sizes and rates of the messages."""
    return _wsgate_program(site, {"limits": {"maxMessageBytes": MESSAGE_BYTES_MAX}, "rateLimit": RATE_LIMIT})


def wsgate_plain_program(site: Site) -> Program:
    """The gateway that verifies every token and limits nothing but what it limits by default."""
    return _wsgate_program(site, {})


def _wsgate_program(site: Site, limits: dict[str, Any]) -> Program:
    """As its users start it without a cluster."""
    provider = {"issuer": ISSUER, "audiences": [AUDIENCE], "jwks": {"inline": site.jwks}}
    spec = {
        "prefix": "/",
        "upstream": f"ws://127.0.0.1:{site.upstream_port}/",
        "auth": {"providers": [provider]},
    }
    route = {
        "apiVersion": "wsgate.dev/v1alpha1",
        "kind": "WsRoute",
        "metadata": {"name": "bench"},
        "spec": spec | limits,
    }
    objects = site.folder / "objects"
    objects.mkdir()
    # JSON is YAML.
    (objects / "bench.yaml").write_text(json.dumps(route))
    admin_port = free_port()
    listeners = ["--listen", f"127.0.0.1:{site.port}", "--admin-listen", f"127.0.0.1:{admin_port}"]
    command = [sys.executable, "-m", "wsgate_cli", "standalone", "--config", str(objects), *listeners]
    environment = {
        "XDG_STATE_HOME": str(site.folder),
        "GRACEFUL_DRAIN_TIMEOUT_SECONDS": "1",
        "WS_IDLE_TIMEOUT_SECONDS": str(IDLE_SECONDS),
    }
    return Program(command, lambda: answers_200(admin_port, "/readyz") and accepts(site.port), environment)


def aiohttp_proxy_program(site: Site) -> Program:
    """A plain aiohttp proxy; it looks at no token."""
    url = f"http://127.0.0.1:{site.upstream_port}/"
    command = module_command("aiohttp_proxy", "--port", str(site.port), "--upstream-url", url)
    return Program(command, lambda: accepts(site.port), PYTHON_ENVIRONMENT)


def _packages(*names: str) -> Callable[[], str]:
    return lambda: ", ".join(f"{name} {version(name)}" for name in names)


DIRECT = "direct"
"""No gateway at all: the client talks to the upstream, and the upstream is what is measured."""

_WSGATE = _packages("wsgate", "aiohttp", "uvloop", "cryptography")

PEERS = {
    "wsgate": Peer(wsgate_program, _WSGATE),
    "wsgate-plain": Peer(wsgate_plain_program, _WSGATE),
    "nginx": Peer(nginx_program, nginx_version),
    "nginx-64k": Peer(nginx_64k_program, nginx_version),
    "haproxy": Peer(haproxy_program, haproxy_version),
    "envoy": Peer(envoy_program, envoy_version),
    "aiohttp-proxy": Peer(aiohttp_proxy_program, _packages("aiohttp", "uvloop")),
}
DEFAULT_PEERS = ("wsgate", "wsgate-plain", "nginx", "haproxy", "envoy", "aiohttp-proxy", DIRECT)
