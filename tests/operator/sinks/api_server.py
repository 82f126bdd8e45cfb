"""An API server in memory, for its faults: what a real one does with sound calls is shown end to end."""

import asyncio
import copy
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from kubernetes.aio.client import ApiClient, Configuration

from wsgate_operator.sinks.api_calls import CALL_SECONDS, ApiCalls

Document = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """What the server says instead of doing its work; hang: it never answers."""

    status: int = 500
    message: str = "it is broken"
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    hang: bool = False


class ApiServer:
    """Objects by path; `faults` answer the next calls, `refuse` chooses calls by method and path."""

    def __init__(self) -> None:
        self.objects: dict[str, Document] = {}
        self.faults: list[Answer] = []
        self.refuse: Callable[[str, str], Answer | None] = lambda method, path: None
        self.before_write: list[Callable[[], object]] = []
        """Done one by one before a write takes effect: what others do between our read and our write."""
        self.calls: Counter[str] = Counter()
        self.bodies: list[Document] = []
        self.page_items = 500
        self.most_at_once = 0
        self.base = ""
        self._at_once = 0
        self._version = 0
        self._release = asyncio.Event()

    def put(self, path: str, document: Document) -> Document:
        """Store an object as somebody else would."""
        self._version += 1
        stored = copy.deepcopy(document)
        metadata = stored.setdefault("metadata", {})
        metadata.setdefault("name", path.rsplit("/", 1)[1])
        metadata.setdefault("uid", f"uid-of-{metadata['name']}")
        metadata["resourceVersion"] = str(self._version)
        self.objects[path] = stored
        return stored

    @asynccontextmanager
    async def running(self, call_seconds: float = CALL_SECONDS) -> AsyncIterator[ApiCalls]:
        """Calls of this server."""
        app = web.Application(client_max_size=8 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            async with ApiClient(Configuration(host=self.base)) as client:
                yield ApiCalls(client, call_seconds)
        finally:
            self._release.set()
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        self.calls[request.method] += 1
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            # Long enough for calls that are made at the same time to meet here.
            await asyncio.sleep(0.001)
            fault = self.faults.pop(0) if self.faults else self.refuse(request.method, request.path)
            return await (self._work(request) if fault is None else self._fail(fault))
        finally:
            self._at_once -= 1

    async def _fail(self, fault: Answer) -> web.Response:
        if fault.hang:
            await self._release.wait()
        if fault.body is not None:
            return web.Response(body=fault.body, status=fault.status, headers=fault.headers)
        return _status(fault.status, fault.message, fault.headers)

    async def _work(self, request: web.Request) -> web.Response:
        if request.method == "GET":
            return self._read(request)
        body: Document = json.loads(await request.read())
        self.bodies.append(body)
        if self.before_write:
            self.before_write.pop(0)()
        match request.method:
            case "POST":
                return self._create(request.path, body)
            case "PUT":
                return self._update(request.path, body)
            case _:
                return self._patch(request, body)

    def _read(self, request: web.Request) -> web.Response:
        if request.path in self.objects:
            return web.json_response(self.objects[request.path])
        if "limit" not in request.query:
            return _status(404, f"{request.path} not found")
        wanted = dict(each.split("=") for each in request.query["labelSelector"].split(","))
        found = [
            document
            for path, document in sorted(self.objects.items())
            if path.startswith(f"{request.path}/")
            and wanted.items() <= document["metadata"].get("labels", {}).items()
        ]
        start = int(request.query.get("continue", "0"))
        end = start + self.page_items
        return web.json_response(
            {"items": found[start:end], "metadata": {"continue": str(end)} if end < len(found) else {}}
        )

    def _create(self, path: str, body: Document) -> web.Response:
        metadata = body["metadata"]
        name = metadata.get("name") or f"{metadata['generateName']}{self._version}"
        if f"{path}/{name}" in self.objects:
            return _status(409, f"{name} already exists")
        metadata["name"] = name
        return web.json_response(self.put(f"{path}/{name}", body), status=201)

    def _update(self, path: str, body: Document) -> web.Response:
        stored = self.objects.get(path)
        if stored is None:
            return _status(404, f"{path} not found")
        if body["metadata"].get("resourceVersion") != stored["metadata"]["resourceVersion"]:
            return _status(409, "the object has been modified")
        return web.json_response(self.put(path, body))

    def _patch(self, request: web.Request, body: Document) -> web.Response:
        path = request.path.removesuffix("/status")
        stored = self.objects.get(path)
        if stored is None:
            return _status(404, f"{path} not found")
        assert request.content_type in ("application/merge-patch+json", "application/apply-patch+yaml")
        return web.json_response(self.put(path, _merged(stored, body)))


def _merged(stored: Any, patch: Any) -> Any:
    if not isinstance(stored, dict) or not isinstance(patch, dict):
        return patch
    return {**stored, **{name: _merged(stored.get(name), value) for name, value in patch.items()}}


def _status(code: int, message: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response({"kind": "Status", "code": code, "message": message}, status=code, headers=headers)
