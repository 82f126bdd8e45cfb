"""Thousands of WsRoutes: an operator that starts, and one that runs, without data planes."""

import asyncio
import random
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from e2e.cluster import Cluster
from e2e.gateway import KINDS
from e2e.objects import namespace, tokenrevocation, wsroute
from e2e.processes import CONFIG_MAPS, GATEWAY, NAMESPACE, Operator
from e2e.redis_server import RevocationRedis

from wsgate_contract import rendered
from wsgate_operator.sinks.packed import Packed

from ..load_client import spread
from ..processes import Process, Program, started
from .api_server import ApiServer, Watching, collection
from .revocation_stage import listener_url
from .wake_up import WakeUps

ROUTES_IN_NAMESPACE = 100
AT_ONCE = 16
START_SECONDS_MAX = 120.0
CHANGE_SECONDS_MAX = 30.0
STATUSES_SECONDS_MAX = 300.0
STATUSES_POLL_SECONDS = 1.0
QUIET_SECONDS = 8.0
"""Statuses rest for so long where all are written; Events may come between two rounds of them."""
CHANGE_PAUSE_SECONDS = (1.5, 2.5)
"""Between changes, by chance; the operator leaves a second between two writes of the routes."""
REVOCATION_PAUSE_SECONDS = (0.0, 0.5)


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    routes: int
    changes: int
    revocations: int


class RoutesMissing(Exception):
    """The ConfigMap does not hold what it must."""


@dataclass
class Outcome:
    """Seconds from the process's start, MB, and milliseconds from the API server's answer."""

    first_render_seconds: float = 0
    statuses_seconds: float = 0
    """Until the last status of a WsRoute was written."""
    first_render_mb: float = 0
    """Resident memory at the first render."""
    peak_mb: float = 0
    """The most resident memory by the end."""
    cpu_seconds: float = 0
    """Until then and QUIET_SECONDS more."""
    changes: list[float] = field(default_factory=list)
    """Until the ConfigMap held the change of one WsRoute."""
    published: list[float] = field(default_factory=list)
    """Until the log in Redis held one more TokenRevocation."""


def measure(cluster: Cluster, folder: Path, plan: Plan, progress: Callable[[str], None]) -> Outcome:
    """On a cluster whose gateway is stopped; what it left is removed. Raises as the revocation stage does, and
    RoutesMissing, TimeoutError, ApiCallFailed.
    """
    return asyncio.run(_Stage(cluster, folder, plan, progress).run())


class _Stage:
    def __init__(self, cluster: Cluster, folder: Path, plan: Plan, progress: Callable[[str], None]) -> None:
        self._cluster = cluster
        self._folder = folder
        self._plan = plan
        self._progress = progress
        self._namespaces = [f"routes-{number}" for number in range(-(-plan.routes // ROUTES_IN_NAMESPACE))]
        self._outcome = Outcome()
        self._rest = random.Random(1)  # the same pauses in every run

    async def run(self) -> Outcome:
        redis = RevocationRedis(self._folder)
        with ExitStack() as stack:
            stack.callback(redis.server.kill)
            redis.server.start()
            async with ApiServer(self._cluster.kubectl.kubeconfig) as api, asyncio.TaskGroup() as tasks:
                await self._prepare(api)
                configmaps = Watching(api, _watch_path(), tasks)
                wake_ups = WakeUps(listener_url(redis), GATEWAY, tasks)
                began = time.monotonic()
                operator = stack.enter_context(started("operator", self._operator(redis), self._folder))
                await self._start(operator, configmaps, api, began)
                await self._change(configmaps, api)
                await self._publish(wake_ups, api)
                self._outcome.peak_mb = _memory_mb(operator, "VmHWM")
                configmaps.stop()
                wake_ups.stop()
        return self._outcome

    async def _prepare(self, api: ApiServer) -> None:
        """Nothing but the routes is there."""
        kubectl = self._cluster.kubectl
        kubectl("delete", KINDS, "--all", "--all-namespaces")
        kubectl("delete", "configmaps", "-n", NAMESPACE, "--ignore-not-found", *CONFIG_MAPS)
        kubectl.apply(*(namespace(name) for name in self._namespaces))
        await spread(AT_ONCE, range(self._plan.routes), lambda number: self._create(api, number))
        self._progress(f"{self._plan.routes} WsRoutes are there; starting the operator")

    async def _create(self, api: ApiServer, number: int) -> None:
        document = _route(self._namespace(number), number)
        await api.create(collection("wsroutes", self._namespace(number)), document)

    def _namespace(self, number: int) -> str:
        return self._namespaces[number // ROUTES_IN_NAMESPACE]

    def _operator(self, redis: RevocationRedis) -> Program:
        settings = Operator(self._cluster, self._folder, {"WSGATE_REVOCATION_REDIS_URL": redis.operator_url})
        # Of a Daemon nobody learns the pid. What it does first is what is waited for.
        return Program([sys.executable, "-m", "wsgate_operator"], lambda: True, settings.daemon.environ)

    async def _start(self, operator: Process, configmaps: Watching, api: ApiServer, began: float) -> None:
        at, document = await configmaps.next(START_SECONDS_MAX)
        self._outcome.first_render_mb = _memory_mb(operator, "VmRSS")
        found = _items(document)
        if len(found) != self._plan.routes:
            raise RoutesMissing(f"the first render has {len(found)} routes of {self._plan.routes}")
        self._outcome.first_render_seconds = at - began
        self._outcome.statuses_seconds = await _settled(api, began + STATUSES_SECONDS_MAX) - began
        self._outcome.cpu_seconds = operator.cpu_seconds()
        self._progress(f"all statuses are written; changing {self._plan.changes} WsRoutes, one after the other")

    async def _change(self, configmaps: Watching, api: ApiServer) -> None:
        for turn in range(self._plan.changes):
            await asyncio.sleep(self._rest.uniform(*CHANGE_PAUSE_SECONDS))
            number = self._rest.randrange(self._plan.routes)
            where, name, seconds = self._namespace(number), _name(number), 100 + turn
            patch = {"spec": {"timeouts": {"idleSeconds": seconds}}}
            acknowledged = await api.merge(f"{collection('wsroutes', where)}/{name}", patch)
            while True:
                at, document = await configmaps.next(CHANGE_SECONDS_MAX)
                found = _items(document)
                if found[f"{where}/{name}"].get("timeouts", {}).get("idleSeconds") == seconds:
                    break
            if len(found) != self._plan.routes:
                raise RoutesMissing(f"after a change of {where}/{name} there are {len(found)} routes")
            self._outcome.changes.append((at - acknowledged) * 1e3)

    async def _publish(self, wake_ups: WakeUps, api: ApiServer) -> None:
        where = self._namespaces[0]
        for turn in range(self._plan.revocations):
            await asyncio.sleep(self._rest.uniform(*REVOCATION_PAUSE_SECONDS))
            wake_ups.forget()
            document = tokenrevocation(where, f"bench-{turn}", subject=f"user-{turn}")
            acknowledged = await api.create(collection("tokenrevocations", where), document)
            self._outcome.published.append((await wake_ups.next(CHANGE_SECONDS_MAX) - acknowledged) * 1e3)


async def _settled(api: ApiServer, deadline: float) -> float:
    """When the last status was written: all are accepted, and nothing is written any more."""
    before, changed_at = "", time.monotonic()
    while True:
        routes = (await api.get(_all_routes_path()))["items"]
        now, newest = time.monotonic(), max(routes, key=_version)["metadata"]["resourceVersion"]
        if newest != before:
            before, changed_at = newest, now
        elif now - changed_at > QUIET_SECONDS and all(map(_is_accepted, routes)):
            return changed_at
        if now > deadline:
            raise RoutesMissing("some WsRoutes are not accepted, or their statuses change for ever")
        await asyncio.sleep(STATUSES_POLL_SECONDS)


def _version(document: Mapping[str, Any]) -> int:
    return int(document["metadata"]["resourceVersion"])


def _watch_path() -> str:
    query = f"watch=1&fieldSelector=metadata.name%3D{CONFIG_MAPS[0]}"
    return f"/api/v1/namespaces/{NAMESPACE}/configmaps?{query}"


def _all_routes_path() -> str:
    # From the API server's memory: etcd need not read thousands once more.
    return "/apis/wsgate.dev/v1alpha1/wsroutes?resourceVersion=0"


def _name(number: int) -> str:
    return f"route-{number}"


def _route(where: str, number: int) -> dict[str, Any]:
    provider = {
        "issuer": "https://login.example.com/realms/main",
        "audiences": ["gateway"],
        "jwks": {"uri": "https://login.example.com/realms/main/protocol/openid-connect/certs"},
    }
    return wsroute(
        where,
        _name(number),
        hostnames=[f"{where}.example.com"],
        prefix=f"/services/{number}",
        upstream=f"ws://service-{number}.{where}.svc.cluster.local:8080/ws",
        auth={"providers": [provider], "claims": [{"claim": "scope", "anyOf": ["ws.connect"]}]},
        limits={"maxMessageBytes": 262144},
    )


def _items(configmap: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The routes of the ConfigMap by key, after their digest has been checked."""
    text = Packed.of_configmap(configmap).text("routes")
    if text is None:
        raise RoutesMissing("the ConfigMap holds no document")
    items = rendered.read("routes", yaml.load(text, Loader=yaml.CSafeLoader)).items
    return {f"{item['namespace']}/{item['name']}": item for item in items}


def _is_accepted(document: Mapping[str, Any]) -> bool:
    conditions = (document.get("status") or {}).get("conditions", ())
    return any((each["type"], each["status"]) == ("Accepted", "True") for each in conditions)


def _memory_mb(process: Process, name: str) -> float:
    for line in Path(f"/proc/{process.popen.pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise RoutesMissing("the operator has ended")
