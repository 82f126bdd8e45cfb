"""The operator as a process: it starts, says what is wrong in JSON, and ends when it is told to."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_standalone import free_port
from tests.operator.controller.cluster import NAMESPACE, Cluster
from tests.operator.controller.life import play
from tests.operator.sources.cluster.api_server import answer, hang, kubeconfig
from tests.support.valkey import valkey
from tests.support.world import eventually

EXIT_SECONDS = 2.0


class Process:
    """One operator, its exit status and its lines."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self.process = process
        self._log = log

    def lines(self) -> list[dict[str, Any]]:
        """Every line of its log; each must be JSON."""
        return [json.loads(line) for line in self._log.read_text().splitlines()]

    def says(self, message: str) -> bool:
        return any(line["message"] == message for line in self.lines())

    async def stop(self, number: int = signal.SIGTERM) -> tuple[int, float]:
        """Its exit status, and the seconds until then."""
        began = time.monotonic()
        self.process.send_signal(number)
        async with asyncio.timeout(30):
            status = await self.process.wait()
        return status, time.monotonic() - began


async def start(folder: Path, environ: Mapping[str, str]) -> Process:
    log = folder / "operator.log"
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("WSGATE_", "REDIS_", "KUBE"))
    }
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "wsgate_operator", stderr=output, env={**kept, **environ}
        )
    return Process(process, log)


def environment(cluster: Cluster, folder: Path, **more: str) -> dict[str, str]:
    listen = f"127.0.0.1:{free_port()}"
    own = {"WSGATE_NAMESPACE": NAMESPACE, "WSGATE_ADMIN_LISTEN": listen, "WSGATE_HAS_ENVIRONMENT_PROVIDER": "true"}
    return {**kubeconfig(folder, cluster.url), **own, **more}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_running_operator_ends_soon_and_well(tmp_path: Path, number: int) -> None:
    async def scenario(cluster: Cluster) -> None:
        with valkey(tmp_path) as server:
            await cluster.route()
            process = await start(tmp_path, environment(cluster, tmp_path, REDIS_URL=server.url))
            await eventually(lambda: process.says("watching"), "it watches", 30)
            assert cluster.served() == ["chat"]
            status, seconds = await process.stop(number)
        assert status == 0 and seconds < EXIT_SECONDS, (status, seconds)
        assert process.says("stopped")
        assert all({"time", "level", "message"} <= line.keys() for line in process.lines())

    play(scenario)


@pytest.mark.parametrize("call", ["list wsroutes", "get configmaps", "create configmaps", "list tokenrevocations"])
def test_an_operator_whose_calls_hang_ends_soon_as_well(tmp_path: Path, call: str) -> None:
    async def scenario(cluster: Cluster) -> None:
        cluster.faults[call] = hang
        process = await start(tmp_path, environment(cluster, tmp_path))
        await eventually(lambda: cluster.calls[call] > 0, "the call hangs", 30)
        status, seconds = await process.stop()
        assert status == 0 and seconds < EXIT_SECONDS, (status, seconds)

    play(scenario)


def test_an_operator_that_is_refused_everything_goes_on_and_ends_well(tmp_path: Path) -> None:
    async def scenario(cluster: Cluster) -> None:
        for call in ("list wsroutes", "list tokenrevocations", "get configmaps"):
            cluster.faults[call] = answer(401)
        process = await start(tmp_path, environment(cluster, tmp_path))
        await eventually(lambda: process.says("objects not listed"), "it is told", 30)
        assert (await process.stop())[0] == 0

    play(scenario)


def cannot_start(folder: Path, **environ: str) -> str:
    """Run it to its end; the detail of its last line."""

    async def run() -> str:
        process = await start(folder, environ)
        async with asyncio.timeout(30):
            assert await process.process.wait() == 2
        line = process.lines()[-1]
        assert (line["level"], line["message"]) == ("critical", "cannot start")
        return str(line["detail"])

    return asyncio.run(run())


def test_settings_that_cannot_be_used_end_it_with_every_fault_at_once(tmp_path: Path) -> None:
    detail = cannot_start(
        tmp_path,
        WSGATE_NAMESPACE="Not Good",
        WSGATE_REDIS_EVICTION="Maybe",
        WSGATE_RESYNC_SECONDS="5",
        WSGATE_ALLOW_CIDRS="10.0.0.0/99",
    )
    for name in ("NAMESPACE", "REDIS_EVICTION", "RESYNC_SECONDS", "ALLOW_CIDRS"):
        assert f"WSGATE_{name}: " in detail


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"WSGATE_ADMIN_LISTEN": "9090"}, "WSGATE_ADMIN_LISTEN: expected HOST:PORT"),
        ({"WSGATE_ADMIN_LISTEN": ":70000"}, "WSGATE_ADMIN_LISTEN: expected HOST:PORT"),
        (
            {"REDIS_URL": "http://:s3cret@redis"},
            "WSGATE_REVOCATION_REDIS_URL (or REDIS_URL): the Redis URL must be",
        ),
        ({"REDIS_URL_FILE": "/no/such/file"}, "/no/such/file"),
        ({"KUBECONFIG": "/no/such/file"}, "set KUBECONFIG to a readable file"),
        ({"WSGATE_ADMIN_LISTEN": "192.0.2.1:9090"}, "192.0.2.1"),
    ],
)
def test_what_cannot_be_used_ends_it_with_its_name(tmp_path: Path, environ: dict[str, str], told: str) -> None:
    given = {"WSGATE_NAMESPACE": NAMESPACE, **kubeconfig(tmp_path, "http://127.0.0.1:1"), **environ}
    detail = cannot_start(tmp_path, **given)
    assert told in detail
    assert "s3cret" not in detail
