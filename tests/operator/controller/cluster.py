"""A whole API server for a whole operator: objects with watches, ConfigMaps, pods, Events, and faults by call."""

import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import yaml
from aiohttp import web

from tests.operator.sinks import api_server as sinks
from tests.operator.sources.cluster import api_server as objects
from tests.operator.sources.cluster.api_server import KINDS, Answer
from wsgate_contract import rendered
from wsgate_operator.resources.metadata import GROUP
from wsgate_operator.sinks.packed import Packed
from wsgate_operator.sources.cluster.traffic import Call

NAMESPACE = "default"
"""Of the operator, and of the objects where a test names no other."""
CORE = f"/api/v1/namespaces/{NAMESPACE}"
VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}

Document = dict[str, Any]


class Cluster:
    """`faults` answers instead, by call: "list wsroutes", "update configmaps", "patch wsroutes/status"."""

    def __init__(self) -> None:
        self.objects = _Objects()
        self.core = _Core()
        self.faults: dict[str, Answer] = {}
        self.order: list[str] = []
        self.url = ""

    @property
    def calls(self) -> Counter[str]:
        """How often each call was made, discovery left out."""
        return Counter(self.order)

    def has_called(self, call: str, times: int) -> bool:
        """Whether a call was made at least so often."""
        return self.calls[call] >= times

    async def route(self, name: str = "chat", **spec: Any) -> None:
        """Create or change a WsRoute at /<name>."""
        await self.objects.put("WsRoute", name, **{"prefix": f"/{name}", "upstream": "ws://chat:8080", **spec})

    async def revoke(self, name: str = "alice", **spec: Any) -> None:
        """Create or change a TokenRevocation of a subject with that name."""
        await self.objects.put("TokenRevocation", name, **{"subject": name, **spec})

    async def pods(self, *names: str) -> None:
        """Data-plane pods that run."""
        labels = {f"app.kubernetes.io/{key}": value for key, value in LABELS.items()}
        for name in names:
            self.core.put(f"{CORE}/pods/{name}", {"metadata": {"labels": labels}, "status": {"phase": "Running"}})

    def mark(self, pod: str) -> str:
        """What the pod was told last."""
        annotations = self.core.objects[f"{CORE}/pods/{pod}"]["metadata"].get("annotations") or {}
        return str(annotations.get("wsgate.dev/config-version", ""))

    def configmap(self, content: rendered.Content) -> Document | None:
        """A ConfigMap as it stands."""
        return self.core.objects.get(f"{CORE}/configmaps/wsgate-{content}")

    def rendered(self, content: rendered.Content) -> rendered.RenderedDocument | None:
        """The document in it; None where there is none."""
        text = Packed.of_configmap(self.configmap(content) or {}).text(content)
        return None if text is None else rendered.read(content, yaml.load(text, Loader=yaml.CSafeLoader))

    def served(self) -> list[str] | None:
        """Sorted names of the routes that pods would read; None without a ConfigMap."""
        document = self.rendered("routes")
        return None if document is None else sorted(str(item["name"]) for item in document.items)

    def revoked(self) -> list[str] | None:
        """Ids of the records in the second channel; None without a ConfigMap."""
        document = self.rendered("revocations")
        return None if document is None else [str(item["id"]) for item in document.items]

    def status(self, kind: str, name: str) -> Document:
        """The status of an object."""
        found: Document = self.objects.objects[kind, name].get("status") or {}
        return found

    def condition(self, kind: str, name: str, type_: str) -> tuple[str, str, str]:
        """Status, reason and message of one condition; empty where there is none."""
        for each in self.status(kind, name).get("conditions") or ():
            if each["type"] == type_:
                return each["status"], each["reason"], each["message"]
        return "", "", ""

    def told(self) -> list[Document]:
        """The Kubernetes Events."""
        return [found for path, found in self.core.objects.items() if "/events/" in path]

    async def lose(self, kind: str, names: Sequence[str]) -> None:
        """Take objects away so that no watch tells of it: only a list shows it."""
        for name in names:
            del self.objects.objects[kind, name]
        self.objects.version += 1
        await self.objects.drop_watches(forget=True)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        call = _name(request)
        if call is None:
            return await self.objects.handle(request)
        self.order.append(call)
        if call in self.faults:
            return await self.faults[call](request)
        if f"/{GROUP}/" not in request.path:
            return await self.core.answer(request)
        if request.method == "PATCH":
            return await self.objects.apply_status(request)
        return await self.objects.handle(request)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["Cluster"]:
        """Run it on loopback."""
        application = web.Application(client_max_size=8 * 1024 * 1024)
        application.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await self.objects.drop_watches()
            await runner.cleanup()


LABELS = {"name": "wsgate", "component": "dataplane", "instance": "wsgate"}


class _Objects(objects.ApiServer):
    """Keeps the status over changes of the spec, as the API server does."""

    async def apply_status(self, request: web.Request) -> web.Response:
        *_, plural, name, _ = request.path.split("/")
        body: Document = json.loads(await request.read())
        before = self.objects.get((KINDS[plural], name))
        if before is None:
            return web.json_response({"kind": "Status", "message": "not found"}, status=404)
        await self._record("MODIFIED", {**before, "status": body["status"]})
        return web.json_response(self.objects[KINDS[plural], name])

    async def _record(self, change: str, changed: Document) -> None:
        before = self.objects.get((changed["kind"], changed["metadata"]["name"]), {})
        kept = {"status": before["status"]} if "status" in before else {}
        born = before.get("metadata", {}).get("creationTimestamp") or _moment()
        metadata = {**changed["metadata"], "creationTimestamp": born}
        await super()._record(change, {**kept, **changed, "metadata": metadata})


class _Core(sinks.ApiServer):
    async def answer(self, request: web.Request) -> web.StreamResponse:
        return await self._answer(request)


def _name(request: web.Request) -> str | None:
    """Verb and resource; None for discovery."""
    if f"/{GROUP}/" in request.path and request.method == "GET":
        call = Call.of(request.url)
        return f"{call.verb} {call.resource}" if call.verb != "get" else None
    parts = request.path.split("/namespaces/")
    if len(parts) < 2:
        return None
    _, resource, *rest = parts[1].split("/")
    verb = VERBS.get(request.method) or ("get" if rest else "list")
    return f"{verb} {'/'.join((resource, *rest[1:]))}"


def _moment() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
