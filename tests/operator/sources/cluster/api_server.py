"""An API server in a few lines: lists by pages, watches with history, discovery, and faults on demand."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from tests.operator.objects import document
from wsgate_operator.resources.metadata import API_VERSION, GROUP, VERSION
from wsgate_operator.sources.cluster.listing import PLURALS
from wsgate_operator.sources.cluster.traffic import Call

KINDS = {plural: kind for kind, plural in PLURALS.items()}
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
OTHERS = {"": "v1", "apiextensions.k8s.io": "v1"}
"""Group and version of what kopf wants to find before it begins."""


@dataclass
class ApiServer:
    """Holds objects and tells of them; `faults` answers instead, by verb and plural."""

    url: str = ""
    version: int = 100
    page_objects: int = 500
    objects: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    faults: dict[str, Answer] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    tokens: list[str | None] = field(default_factory=list)
    is_discoverable: bool = True
    _history: list[tuple[int, str, dict[str, Any]]] = field(default_factory=list)
    _forgotten: int = 0
    _moved: asyncio.Condition = field(default_factory=asyncio.Condition)
    _epoch: int = 0

    async def put(self, kind: str, name: str, **spec: Any) -> dict[str, Any]:
        """Create or change an object."""
        before = self.objects.get((kind, name))
        generation = 1 if before is None else before["metadata"]["generation"] + 1
        uid = f"uid-{self.version}" if before is None else before["metadata"]["uid"]
        made = document(kind, name, spec, uid=uid, generation=generation)
        await self._record("ADDED" if before is None else "MODIFIED", made)
        return made

    async def delete(self, kind: str, name: str) -> None:
        """Delete an object; watches are told."""
        await self._record("DELETED", self.objects[kind, name])

    async def drop_watches(self, *, forget: bool = False) -> None:
        """Cut every watch; forget: what happened until now is told to no later watch, which gets 410."""
        self._epoch += 1
        if forget:
            self._forgotten = self.version
        await self._wake()

    async def send(self, event: dict[str, Any]) -> None:
        """Tell any event to the watches."""
        self.version += 1
        self._history.append((self.version, event["type"], event["object"]))
        await self._wake()

    async def _record(self, change: str, changed: dict[str, Any]) -> None:
        self.version += 1
        changed = {**changed, "metadata": {**changed["metadata"], "resourceVersion": str(self.version)}}
        identity = changed["kind"], changed["metadata"]["name"]
        self.objects[identity] = changed
        if change == "DELETED":
            del self.objects[identity]
        self._history.append((self.version, change, changed))
        await self._wake()

    async def _wake(self) -> None:
        async with self._moved:
            self._moved.notify_all()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Any request."""
        call = Call.of(request.url)
        self.calls[f"{call.verb} {call.resource}"] += 1
        self.tokens.append(request.headers.get("Authorization"))
        fault = self.faults.get(f"{call.verb} {call.resource}")
        if fault is not None:
            return await fault(request)
        match call.verb:
            case "get":
                return self._discovery(request)
            case "list":
                return self._list(call.resource, request)
            case _:
                return await self.watch(call.resource, request)

    def _discovery(self, request: web.Request) -> web.Response:
        ours = {GROUP: VERSION} if self.is_discoverable else {}
        parts = request.path.strip("/").split("/")
        if parts == ["api"]:
            return web.json_response({"versions": ["v1"]})
        if parts == ["apis"]:
            groups = [
                {"name": group, "versions": [{"version": version}], "preferredVersion": {"version": version}}
                for group, version in ({**OTHERS, **ours}).items()
                if group
            ]
            return web.json_response({"groups": groups})
        kinds = {"namespaces": "Namespace", "events": "Event"} if parts[0] == "api" else KINDS
        if "apiextensions.k8s.io" in parts:
            kinds = {"customresourcedefinitions": "CustomResourceDefinition"}
        return web.json_response({"resources": [_resource(plural, kind) for plural, kind in kinds.items()]})

    def _list(self, plural: str, request: web.Request) -> web.Response:
        kind, at = KINDS[plural], request.query.get("continue")
        start, version = (int(part) for part in at.split("@")) if at else (0, self.version)
        found = [made for (found_kind, _), made in self.objects.items() if found_kind == kind]
        end = start + min(self.page_objects, int(request.query["limit"]))
        token = f"{end}@{version}" if end < len(found) else ""
        return list_response(kind, found[start:end], str(version), token)

    async def watch(self, plural: str, request: web.Request) -> web.StreamResponse:
        """Tell what happened since the version that is asked for, and what happens."""
        since, epoch = int(request.query["resourceVersion"]), self._epoch
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        if since < self._forgotten:
            await response.write(_line("ERROR", {"kind": "Status", "code": 410, "message": "too old"}))
            return response
        while self._epoch == epoch:
            for version, change, changed in self._history:
                if version > since and changed.get("kind") in (KINDS[plural], "Status"):
                    await response.write(_line(change, changed))
            since = max(since, self.version)
            await self._wait_past(since, epoch)
        return response

    async def _wait_past(self, version: int, epoch: int) -> None:
        async with self._moved:
            await self._moved.wait_for(lambda: self.version > version or self._epoch != epoch)


def list_response(kind: str, items: list[dict[str, Any]], version: str, token: str = "") -> web.Response:
    """One page."""
    metadata = {"resourceVersion": version, "continue": token}
    body = {"apiVersion": API_VERSION, "kind": f"{kind}List", "metadata": metadata, "items": items}
    return web.json_response(body)


def answer(status: int, body: object = None, **headers: str) -> Answer:
    """A fault that answers like this."""

    async def respond(_: web.Request) -> web.Response:
        text = body if isinstance(body, str) else json.dumps({"kind": "Status", "code": status})
        return web.Response(
            status=status,
            text=text,
            content_type="application/json",
            headers={name.replace("_", "-"): value for name, value in headers.items()},
        )

    return respond


async def hang(_: web.Request) -> web.StreamResponse:
    """Never answers."""
    await asyncio.Event().wait()
    raise AssertionError


async def half(request: web.Request) -> web.StreamResponse:
    """Promises more than it sends."""
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"kind": "WsRouteList", "items": [')
    assert request.transport is not None
    request.transport.close()
    return response


def _line(change: str, changed: dict[str, Any]) -> bytes:
    return json.dumps({"type": change, "object": changed}).encode() + b"\n"


def _resource(plural: str, kind: str) -> dict[str, Any]:
    verbs = ["list", "watch", "patch"]
    return {"name": plural, "singularName": kind.lower(), "kind": kind, "namespaced": True, "verbs": verbs}


@asynccontextmanager
async def serving() -> AsyncIterator[ApiServer]:
    """Run one on loopback."""
    server = ApiServer()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await server.drop_watches()
        await runner.cleanup()


def kubeconfig(folder: Path, url: str, token: str = "secret") -> dict[str, str]:
    """The environment of whoever shall speak to that API server."""
    path = folder / "kubeconfig"
    config = {
        "clusters": [{"name": "here", "cluster": {"server": url}}],
        "users": [{"name": "me", "user": {"token": token}}],
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
        "current-context": "here",
    }
    path.write_text(yaml.safe_dump(config))
    return {"KUBECONFIG": str(path)}
