"""The pod's entry point as a process: serves rendered files, refuses to start, drains."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.test_standalone import DEADLINE_SECONDS, environment, free_port, status
from tests.dataplane.revocation.publisher import Publisher
from tests.support.valkey import valkey
from wsgate_cli.standalone import make_renderer
from wsgate_dataplane.__main__ import main
from wsgate_dataplane.settings import Settings
from wsgate_operator.settings import OperatorSettings

ROUTE = "- prefix: /chat\n  upstream: ws://backend.example.com/\n"


def rendered(folder: Path) -> Path:
    """What an operator would have mounted; the path of the routes."""
    config = folder / "routes-in.yaml"
    config.write_text(ROUTE)
    settings = Settings.load({"JWKS_URL": "http://127.0.0.1:1/certs"})
    make_renderer(config, folder / "rendered", OperatorSettings(), settings).render()
    return folder / "rendered" / "routes.yaml"


@contextmanager
def running(log: Path, **environ: str) -> Iterator[tuple[subprocess.Popen[bytes], int, int]]:
    port, admin_port = free_port(), free_port()
    listen = ("--listen", f"127.0.0.1:{port}", "--admin-listen", f"127.0.0.1:{admin_port}")
    command = [sys.executable, "-m", "wsgate_dataplane", *listen]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stderr=output, env=environment(**environ))
    try:
        yield process, port, admin_port
    finally:
        process.kill()
        process.wait()


def until_status(process: subprocess.Popen[bytes], log: Path, port: int, path: str, wanted: int) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while status(port, path) != wanted:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()


def test_rendered_files_are_served_with_redis_until_sigterm(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with valkey(tmp_path) as server, server.client() as client:
        Publisher(client).reset()
        routes = rendered(tmp_path)
        (tmp_path / "url").write_text(f"{server.url}\n")
        environ = {"ROUTE_FILE": str(routes), "REDIS_URL_FILE": str(tmp_path / "url"), "WSGATE_REVOKATION": "x"}
        with running(log, **environ) as (process, port, admin_port):
            until_status(process, log, admin_port, "/readyz", 200)
            assert status(port, "/chat/x") == 426
            process.send_signal(signal.SIGTERM)
            assert process.wait(DEADLINE_SECONDS) == 0
    text = log.read_text()
    assert "WSGATE_REVOKATION: no such setting" in text
    assert "Traceback" not in text


def test_without_the_files_it_lives_and_is_not_ready(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with running(log, ROUTE_FILE=str(tmp_path / "routes.yaml")) as (process, _, admin_port):
        until_status(process, log, admin_port, "/livez", 200)
        assert status(admin_port, "/readyz") == 503
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_SECONDS) == 0


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"GRACEFUL_DRAIN_TIMEOUT_SECONDS": "soon"}, "GRACEFUL_DRAIN_TIMEOUT_SECONDS: expected a whole number"),
        ({"REDIS_URL": "redis://:s3cret@"}, "WSGATE_REVOCATION_REDIS_URL (or REDIS_URL): expected redis://"),
    ],
)
def test_settings_that_cannot_be_used_end_it_with_status_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], environ: dict[str, str], told: str
) -> None:
    for name, text in environ.items():
        monkeypatch.setenv(name, text)
    assert main(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]) == 2
    output = capsys.readouterr().err
    assert told in output
    assert "s3cret" not in output


def test_a_port_that_is_taken_ends_it_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["--admin-listen", f"127.0.0.1:{taken.getsockname()[1]}"]) == 2
    assert "choose others with --listen and --admin-listen" in capsys.readouterr().err


def test_an_address_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--listen", "8080"])
    assert "expected HOST:PORT" in capsys.readouterr().err
