"""A whole gateway in a few lines: a folder of YAML, both components, real upstreams, clients and tokens."""

import asyncio
import functools
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import aiohttp
import websockets.asyncio.client
import websockets.asyncio.server
import yaml
import yarl
from websockets.asyncio.server import ServerConnection

from wsgate_cli.devkey import DevelopmentKey, provider
from wsgate_cli.standalone import following, make_renderer, with_secrets_of
from wsgate_contract.address import Address
from wsgate_dataplane.admin.journal import RevocationJournal
from wsgate_dataplane.server import DataPlane
from wsgate_dataplane.settings import Settings
from wsgate_operator.settings import OperatorSettings

DEADLINE_SECONDS = 10.0
API_VERSION = "wsgate.dev/v1alpha1"
LOOPBACK = Address("127.0.0.1", 0)


@functools.cache
def development_key() -> DevelopmentKey:
    """One for the whole run: making a key takes a tenth of a second."""
    return DevelopmentKey.create()


async def eventually(is_true: Callable[[], bool], what: str, seconds: float = DEADLINE_SECONDS) -> None:
    """Wait for a condition; fails with what after the deadline."""
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain: {what}"
        await asyncio.sleep(0.01)


async def echo(connection: ServerConnection) -> None:
    """An upstream that sends every message back."""
    async for message in connection:
        await connection.send(message)


@dataclass(frozen=True)
class Refusal:
    """An HTTP answer instead of a 101."""

    status: int
    headers: Mapping[str, str]
    problem: dict[str, Any]

    @property
    def reason(self) -> str:
        """The outcome's name."""
        return str(self.problem["reason"])


class World:
    """Put objects in, start it, connect, look at what happened.

    async with World(folder).running() as world: ...
    """

    def __init__(self, folder: Path, **environ: str) -> None:
        self.folder = folder / "config"
        self.folder.mkdir()
        self.config = self.folder
        """What is served: the folder, or one file of it."""
        self.secrets = folder / "secrets"
        """The --secrets-dir."""
        self._rendered = folder / "rendered"
        # A dial that fails is told at once, unless the test is about retries.
        self.settings = Settings.load({"WS_DIAL_RETRY_MAX": "0", **environ})
        self.logs: list[dict[str, Any]] = []
        self.requests: list[websockets.Request] = []
        self._stack = AsyncExitStack()
        self._plane: DataPlane | None = None

    @property
    def plane(self) -> DataPlane:
        """The running data plane."""
        assert self._plane is not None, "the world is not running"
        return self._plane

    @property
    def url(self) -> str:
        """ws://host:port of the public listener."""
        return f"ws://127.0.0.1:{self.plane.public_port}"

    @property
    def admin_url(self) -> str:
        """http://host:port of the admin listener."""
        return f"http://127.0.0.1:{self.plane.admin_port}"

    def write(self, name: str, document: object) -> None:
        """Put a file into the folder by rename, as editors do."""
        draft = self.folder / f".{name}.draft"
        draft.write_text(document if isinstance(document, str) else yaml.safe_dump(document, sort_keys=False))
        draft.rename(self.folder / name)

    def remove(self, name: str) -> None:
        """Delete a file of the folder."""
        (self.folder / name).unlink()

    def route(self, name: str = "echo", *, auth: dict[str, Any] | None = None, **spec: Any) -> None:
        """Write a WsRoute that accepts the world's tokens."""
        spec.setdefault("prefix", f"/{name}")
        spec["auth"] = {"providers": [provider(development_key())], **(auth or {})}
        self.write(f"{name}.yaml", object_of("WsRoute", name, spec))

    def revoke(self, name: str, **spec: Any) -> None:
        """Write a TokenRevocation."""
        self.write(f"revoke-{name}.yaml", object_of("TokenRevocation", name, spec))

    def token(self, subject: str = "alice", *, lifetime: int = 3600, **claims: Any) -> str:
        """A token that the world's routes accept."""
        return development_key().token({"sub": subject, **claims}, int(time.time()), lifetime)

    async def upstream(self, handler: Callable[[ServerConnection], Awaitable[None]] = echo, **options: Any) -> str:
        """Start a WebSocket server; its URL. The requests that it gets are kept in `requests`."""

        async def keep(connection: ServerConnection) -> None:
            assert connection.request is not None
            self.requests.append(connection.request)
            await handler(connection)

        server = await self._stack.enter_async_context(
            websockets.asyncio.server.serve(keep, "127.0.0.1", 0, **options)
        )
        return f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"

    def connect(
        self, path: str = "/echo", token: str | None = None, headers: dict[str, str] | None = None, **options: Any
    ) -> websockets.asyncio.client.connect:
        """A client; with a token it goes into the Authorization header."""
        sent = dict(headers or {})
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        options.setdefault("proxy", None)
        return websockets.asyncio.client.connect(self.url + path, additional_headers=sent, **options)

    async def refusal(
        self, path: str = "/echo", token: str | None = None, headers: dict[str, str] | None = None
    ) -> Refusal:
        """Try to open a session and return the refusal."""
        sent = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
            **(headers or {}),
        }
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        async with aiohttp.ClientSession() as http:
            # encoded: the path goes out as it is written, dot segments included.
            url = yarl.URL(self.url.replace("ws:", "http:") + path, encoded=True)
            async with http.get(url, headers=sent) as response:
                assert response.status != 101, "the session was opened"
                return Refusal(response.status, response.headers, json.loads(await response.read()))

    async def metrics(self) -> dict[str, float]:
        """The samples of the metrics page by name and labels."""
        async with aiohttp.ClientSession() as http, http.get(f"{self.admin_url}/metrics") as response:
            lines = (await response.text()).splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    def logged(self, message: str) -> list[dict[str, Any]]:
        """The fields of the log lines with that message."""
        return [line["fields"] for line in self.logs if line["message"] == message]

    async def ended(self, count: int = 1) -> list[dict[str, Any]]:
        """Wait for that many sessions' ends; their log fields."""
        await eventually(lambda: len(self.logged("session ended")) >= count, f"{count} sessions ended")
        return self.logged("session ended")

    @asynccontextmanager
    async def running(self, state: Path | None = None, *, uses_redis: bool = True) -> AsyncIterator[Self]:
        """Start both components and wait until they are ready; drain at the end.

        state: of the admin API; uses_redis: whether revocations come by Redis where the settings name one.
        """
        ready = asyncio.Event()
        settings = with_secrets_of(self._rendered, self.settings)
        renderer = make_renderer(self.config, self._rendered, OperatorSettings(), settings, self.secrets)
        renderer.render()
        handler = _Capture(self.logs)
        logging.getLogger("wsgate").addHandler(handler)
        logging.getLogger("wsgate").setLevel("INFO")
        try:
            journal = RevocationJournal.open(state or self.folder.with_name("world-state"), time.time)
            self._stack.callback(journal.close)
            async with self._stack, asyncio.TaskGroup() as tasks:
                files = self._rendered / "routes.yaml"
                plane = DataPlane(settings, files, LOOPBACK, LOOPBACK, journal, uses_redis=uses_redis)
                self._plane = plane
                tasks.create_task(plane.run((following(renderer, plane),), ready.set))
                async with asyncio.timeout(DEADLINE_SECONDS):
                    await ready.wait()
                try:
                    yield self
                finally:
                    plane.stop.set()
        finally:
            logging.getLogger("wsgate").removeHandler(handler)


class _Capture(logging.Handler):
    """Keeps what the gateway logs."""

    def __init__(self, lines: list[dict[str, Any]]) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        line = {"message": record.getMessage(), "error": record.exc_info}
        events = getattr(record, "events", None)
        told = [getattr(record, "fields", {})] if events is None else [each.fields for each in events]
        self._lines += [line | {"fields": fields} for fields in told]


def object_of(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    """A custom resource as a document."""
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}
