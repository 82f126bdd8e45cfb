"""Real proxies in front of a gateway, as docs/howto/run-behind-a-proxy.md has them, with short timeouts."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from e2e.daemon import Daemon
from e2e.programs import nginx, program

TIMEOUT_SECONDS = 2
"""After which each proxy cuts a connection that is silent; their users have 30 to 60."""

NGINX = """
{user}daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{gateway_port};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection "upgrade";
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_read_timeout {timeout}s;
            proxy_send_timeout {timeout}s;
        }}
    }}
}}
"""
HAPROXY_HTTP = """
frontend public
    mode http
    bind 127.0.0.1:{port}
    option forwardfor
    timeout client {timeout}s
    default_backend wsgate

backend wsgate
    mode http
    option httpchk GET /healthz
    timeout connect 5s
    timeout server {timeout}s
    timeout tunnel {timeout}s
    server gateway 127.0.0.1:{gateway_port} check inter 200ms fall 2
"""
HAPROXY_TCP = """
listen wsgate
    mode tcp
    bind 127.0.0.1:{port}
    option httpchk GET /healthz
    timeout connect 5s
    timeout client {timeout}s
    timeout server {timeout}s
    server gateway 127.0.0.1:{gateway_port} {send} check inter 200ms fall 2
"""

TRUSTED = {"WSGATE_TRUSTED_PROXIES": "127.0.0.1/32"}
REQUIRED = {"WSGATE_PROXY_PROTOCOL": "Require", **TRUSTED}


@dataclass(frozen=True)
class Kind:
    """One way to put a proxy in front."""

    text: str
    """The configuration."""
    command: Callable[[Path], list[str | Path]]
    """By the path of the configuration."""
    environ: Mapping[str, str]
    """What it asks of the gateway."""
    send: str = ""


def _nginx(config: Path) -> list[str | Path]:
    return [nginx(), "-p", config.parent, "-e", "stderr", "-c", config]


def _haproxy(config: Path) -> list[str | Path]:
    return [program("haproxy"), "-db", "-f", config]


KINDS: Mapping[str, Kind] = {
    "nginx": Kind(NGINX, _nginx, TRUSTED),
    "haproxy-http": Kind(HAPROXY_HTTP, _haproxy, TRUSTED),
    "haproxy-v1": Kind(HAPROXY_TCP, _haproxy, REQUIRED, "send-proxy"),
    "haproxy-v2": Kind(HAPROXY_TCP, _haproxy, REQUIRED, "send-proxy-v2 proxy-v2-options crc32c,unique-id"),
    # Misconfigured: it says nothing of its clients.
    "haproxy-silent": Kind(HAPROXY_TCP, _haproxy, REQUIRED),
}


def proxy(kind: Kind, folder: Path, port: int, gateway_port: int) -> Daemon:
    """A proxy that listens at port and leads to the gateway."""
    config = folder / "proxy.conf"
    values = {"port": port, "gateway_port": gateway_port, "folder": folder, "timeout": TIMEOUT_SECONDS}
    user = "user root;\n" if os.geteuid() == 0 else ""
    config.write_text(kind.text.format(user=user, send=kind.send, **values))
    return Daemon("proxy", kind.command(config), folder)
