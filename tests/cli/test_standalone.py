"""The command as a process: starts, refuses to start, stops."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.valkey import valkey

DEADLINE_SECONDS = 20
IDP = {"JWKS_URL": "http://127.0.0.1:1/certs"}
CACHE = {"JWT_CACHE_STORE": "redis", "WSGATE_CACHE_KEY": "k" * 32}
LEGACY = "- prefix: /livekit\n  upstream: ws://127.0.0.1:1/signal\n"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def command(config: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "wsgate_cli", "standalone", "--config", str(config), *more]


def environment(**more: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "XDG_STATE_HOME") if name in os.environ}
    return {**kept, **more}


@contextlib.contextmanager
def running(config: Path, log: Path, **environ: str) -> Iterator[tuple[subprocess.Popen[bytes], int, int]]:
    port, admin_port = free_port(), free_port()
    listen = ("--listen", f"127.0.0.1:{port}", "--admin-listen", f"127.0.0.1:{admin_port}")
    with log.open("wb") as output:
        process = subprocess.Popen(command(config, *listen), stderr=output, env=environment(**environ))
    try:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while status(admin_port, "/readyz") != 200:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
        yield process, port, admin_port
    finally:
        process.kill()
        process.wait()


def status(port: int, path: str) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as response:
            code: int = response.status
            return code
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError:
        time.sleep(0.05)
        return 0


def test_the_originals_routes_file_is_served_unchanged_and_at_ws_too(tmp_path: Path) -> None:
    routes = tmp_path / "routes.yaml"
    routes.write_text(LEGACY)
    log = tmp_path / "log"
    with running(routes, log, JWKS_URL="http://127.0.0.1:1/certs") as (process, port, _):
        assert status(port, "/livekit/x") == 426
        assert status(port, "/ws") == 426
        assert status(port, "/other") == 404
        assert status(port, "/healthz") == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_SECONDS) == 0
    text = log.read_text()
    assert "JWT_EXPECTED_ISSUER" in text and "JWT_EXPECTED_AUDIENCE" in text
    assert "Traceback" not in text


@pytest.mark.parametrize(
    ("config", "environ", "told"),
    [
        ("kind: WsRoute\nmetadata: {name: a}\n", {}, "apiVersion"),
        (LEGACY, {}, "JWKS_URL"),
        ("- prefix: livekit\n  upstream: ws://x\n", {"JWKS_URL": "http://x/y"}, 'begin it with "/"'),
        (LEGACY, {**IDP, **CACHE, "REDIS_URL": "http://:s3cret@x"}, "REDIS_URL: expected redis://"),
        (
            LEGACY,
            {**IDP, **CACHE, "JWT_CACHE_STORE": "postgres", "POSTGRES_DSN": "host=x"},
            "POSTGRES_DSN: expected",
        ),
        (LEGACY, {"JWKS_URL": "ftp://x", "WS_IDLE_TIMEOUT_SECONDS": "soon"}, "WS_IDLE_TIMEOUT_SECONDS"),
    ],
)
def test_what_cannot_be_used_stops_the_start_and_is_named(
    tmp_path: Path, config: str, environ: dict[str, str], told: str
) -> None:
    path = tmp_path / "routes.yaml"
    path.write_text(config)
    found = subprocess.run(
        command(path), env=environment(**environ), capture_output=True, text=True, timeout=DEADLINE_SECONDS
    )
    assert found.returncode == 2
    assert told in found.stderr
    assert "Traceback" not in found.stderr and "s3cret" not in found.stderr


def test_a_port_in_use_is_a_clear_error(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken = f"127.0.0.1:{holder.getsockname()[1]}"
        found = subprocess.run(
            command(tmp_path, "--listen", taken, "--admin-listen", "127.0.0.1:0"),
            env=environment(),
            capture_output=True,
            text=True,
            timeout=DEADLINE_SECONDS,
        )
    assert found.returncode == 2
    assert "in use" in found.stderr
    assert "Traceback" not in found.stderr


def test_neither_kopf_nor_kubernetes_nor_a_driver_is_imported() -> None:
    program = (
        "import sys, wsgate_cli.__main__; print({'asyncpg', 'kopf', 'kubernetes', 'redis'} & sys.modules.keys())"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


def test_tokens_are_shared_by_the_redis_that_is_named_for_it_and_revocations_are_not(tmp_path: Path) -> None:
    routes, log = tmp_path / "routes.yaml", tmp_path / "log"
    routes.write_text(LEGACY)
    with (
        valkey(tmp_path) as server,
        running(routes, log, **IDP, **CACHE, REDIS_URL=server.url) as (_, _, admin_port),
    ):
        deadline = time.monotonic() + DEADLINE_SECONDS
        while b"wsgate_token_cache_store_up 1.0" not in metrics(admin_port):
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        with server.client() as client:
            assert client.keys() == ["jwt_cached_token_probe"]
    assert "not acted on" not in log.read_text()


def metrics(port: int) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as page:
        text: bytes = page.read()
        return text


def test_the_renderers_own_process_is_never_fenced(tmp_path: Path) -> None:
    routes = tmp_path / "routes.yaml"
    routes.write_text(LEGACY)
    log = tmp_path / "log"
    environ = {"JWKS_URL": "http://127.0.0.1:1/certs", "WSGATE_REVOCATION_STALE_SECONDS": "1"}
    with running(routes, log, **environ) as (process, _, admin_port):
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline:
            assert b"wsgate_revocation_fenced 0.0" in metrics(admin_port)
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_SECONDS) == 0
    assert "revocations stale" not in log.read_text()


@pytest.mark.parametrize("options", [(), ("--secrets-dir",)])
def test_a_missing_client_certificate_stops_the_start_and_names_field_and_folder(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    (tmp_path / "route.yaml").write_text(
        "apiVersion: wsgate.dev/v1alpha1\nkind: WsRoute\nmetadata: {name: a}\nspec:\n  prefix: /a\n"
        "  upstream: wss://a.test\n  upstreamTLS: {clientCertificateRef: {name: client}}\n"
        "  auth: {mode: Anonymous}\n"
    )
    where = [*options, *([str(tmp_path / "secrets")] if options else [])]
    found = subprocess.run(
        command(tmp_path, *where), env=environment(), capture_output=True, text=True, timeout=DEADLINE_SECONDS
    )
    assert found.returncode == 2
    told = f"no folder {tmp_path}/secrets/client" if options else "give --secrets-dir DIR"
    assert "route.yaml:1: WsRoute default/a: spec.upstreamTLS.clientCertificateRef: " in found.stderr
    assert told in found.stderr and "Traceback" not in found.stderr


def test_the_clusters_folder_of_certificates_is_told_to_have_no_effect(tmp_path: Path) -> None:
    routes = tmp_path / "routes.yaml"
    routes.write_text(LEGACY)
    environ = {"JWKS_URL": "http://127.0.0.1:1/certs", "WSGATE_SECRETS_DIR": "/etc/x"}
    with running(routes, tmp_path / "log", **environ):
        assert "WSGATE_SECRETS_DIR: not acted on by wsgate standalone" in (tmp_path / "log").read_text()
