"""A whole operator beside the test, at a quick pace, with what it logs."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.operator.controller.cluster import NAMESPACE, Cluster
from tests.operator.sinks.revocation_log.house import logged
from tests.operator.sources.cluster.api_server import kubeconfig
from tests.support.world import eventually
from wsgate_operator.controller import gateway_operator as module
from wsgate_operator.controller import pod_marks
from wsgate_operator.controller.gateway_operator import Operator
from wsgate_operator.settings import ClusterSettings
from wsgate_operator.sinks.api_calls import ApiCalls
from wsgate_operator.sources.cluster.connection import connect
from wsgate_operator.sources.cluster.listing import Lister, ListPauses
from wsgate_operator.sources.cluster.watch import WatchTiming, keep_watching

CALL_SECONDS = 0.5
PAUSES = {
    "AGAIN_SECONDS": 0.2,
    "RELIST_SECONDS": 0.1,
    "PODS_SECONDS": 0.2,
    "VERIFY_CONFIGMAPS_SECONDS": 0.3,
    "VERIFY_SECONDS": 0.2,
    "STATUS_SECONDS": 0.05,
    "ROUTES_SECONDS": 0.1,
}
WATCH_TIMING = WatchTiming(retry_seconds=(0.1,), rewatch_seconds=0.1, restart_seconds=0.1, list_seconds=0.5)


def quicken(
    monkeypatch: pytest.MonkeyPatch,
    call_seconds: float = CALL_SECONDS,
    silence_seconds: float = 70.0,
    **pauses: float,
) -> None:
    """Short pauses and deadlines instead of those for a cluster."""
    for name, seconds in (PAUSES | pauses).items():
        monkeypatch.setattr(module, name, seconds)
    monkeypatch.setattr(pod_marks, "AGAIN_SECONDS", 0.2)
    monkeypatch.setattr(pod_marks, "PAUSE_SECONDS", 0.1)
    monkeypatch.setattr(module, "ApiCalls", partial(ApiCalls, call_seconds=call_seconds))
    lister = partial(Lister, pauses=ListPauses(0.1, 0.2), call_seconds=call_seconds)
    monkeypatch.setattr(module, "Lister", lister)
    timing = replace(WATCH_TIMING, silence_seconds=silence_seconds)
    monkeypatch.setattr(module, "keep_watching", partial(keep_watching, timing=timing))


@dataclass
class Life:
    """One life of an operator. Metrics by name, as the page has them."""

    cluster: Cluster
    operator: Operator
    url: str
    lines: list[logging.LogRecord] = field(default_factory=list)

    async def ready(self) -> None:
        """It watches: from now on changes come by events."""
        await eventually(lambda: "watching" in self.messages(), "the operator watches")

    async def serves(self, *names: str) -> None:
        """Wait until the ConfigMap holds exactly these routes."""
        await eventually(lambda: self.cluster.served() == sorted(names), f"{names} are served")

    async def revokes(self, *ids: str) -> None:
        """Wait until the second channel holds exactly these records."""
        await eventually(lambda: self.cluster.revoked() == sorted(ids), f"{ids} are revoked")

    async def says(self, kind: str, name: str, type_: str, status: str, reason: str) -> str:
        """Wait for a condition; its message."""
        found = partial(self.cluster.condition, kind, name, type_)
        await eventually(lambda: found()[:2] == (status, reason), f"{kind} {name}: {type_} {status} {reason}")
        return found()[2]

    def messages(self) -> list[str]:
        """What was logged."""
        return [line.getMessage() for line in self.lines]

    def fields(self, message: str) -> list[dict[str, Any]]:
        """The fields of the lines with that message."""
        return [vars(line)["fields"] for line in self.lines if line.getMessage() == message]

    def metric(self, name: str, **labels: str) -> float | None:
        """A sample, None where there is none."""
        return self.operator.metrics.registry.get_sample_value(f"wsgate_operator_{name}", labels)

    async def page(self, path: str) -> tuple[int, str]:
        """A page of its listener; status 0 where nobody listens."""
        try:
            async with aiohttp.ClientSession() as http, http.get(self.url + path) as response:
                return response.status, await response.text()
        except aiohttp.ClientConnectionError:
            return 0, ""


@asynccontextmanager
async def operating(cluster: Cluster, folder: Path, redis_url: str = "", **environ: str) -> AsyncIterator[Life]:
    """An operator of that cluster, ended as by SIGTERM."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        listen = f"127.0.0.1:{probe.getsockname()[1]}"
    given = {
        "WSGATE_NAMESPACE": NAMESPACE,
        "WSGATE_ADMIN_LISTEN": listen,
        "WSGATE_HAS_ENVIRONMENT_PROVIDER": "true",
        "REDIS_URL": redis_url,
    }
    settings = ClusterSettings.load(given | environ)
    with logged() as lines:
        async with await connect(kubeconfig(folder, cluster.url)) as api, asyncio.TaskGroup() as tasks:
            operator = Operator(settings, api, "operator-0")
            task = tasks.create_task(operator.run())
            try:
                yield Life(cluster, operator, f"http://{listen}", lines)
            finally:
                task.cancel()


Scenario = Callable[[Cluster], Coroutine[Any, Any, None]]


def play(scenario: Scenario) -> Cluster:
    """Run a scenario with an empty cluster; the cluster as it was left."""
    cluster = Cluster()

    async def run() -> None:
        async with cluster.serving():
            await scenario(cluster)

    asyncio.run(run())
    return cluster
