"""The admin API on a real socket, over a real registry and a real journal."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from pydantic import SecretStr

from wsgate_contract.revocation import RevocationRecord
from wsgate_contract.route import Route
from wsgate_dataplane.admin.app import make_admin_app
from wsgate_dataplane.admin.journal import RevocationJournal
from wsgate_dataplane.admin.parts import AdminParts
from wsgate_dataplane.handshake.serving import Catalogue
from wsgate_dataplane.registry.registry import Registry
from wsgate_dataplane.registry.session import Arrival, Session
from wsgate_dataplane.relay.asyncio_engine import AsyncioEngine
from wsgate_dataplane.revocation.matching import Identity
from wsgate_dataplane.revocation.view import RevocationView
from wsgate_dataplane.telemetry.metrics import Metrics
from wsgate_dataplane.telemetry.refusals import RefusalRing

TOKEN = "correct horse battery staple"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
NOW = 1_700_000_000.0
SECONDS = 600


@dataclass
class Answer:
    """What the API said."""

    status: int
    headers: Any
    body: Any


@dataclass
class Desk:
    """A listening API; `parts` is what it acts on, `lines` what it logged."""

    url: str
    http: aiohttp.ClientSession
    parts: AdminParts
    journal: RevocationJournal
    lines: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    async def ask(
        self, path: str, method: str = "GET", headers: dict[str, str] | None = None, **options: Any
    ) -> Answer:
        """One request with the right token unless headers say otherwise."""
        sent = BEARER if headers is None else headers
        async with self.http.request(method, self.url + path, headers=sent, **options) as response:
            return Answer(response.status, response.headers, await response.json(content_type=None))

    async def revoke(self, **body: object) -> Answer:
        """POST /admin/revoke."""
        return await self.ask("/admin/revoke", "POST", json=body)

    def logged(self, message: str) -> list[dict[str, Any]]:
        """The fields of the log lines with that message."""
        return [fields for found, fields in self.lines if found == message]


def a_route(name: str = "echo", **fields: Any) -> Route:
    document = {
        "namespace": "default",
        "name": name,
        "prefix": f"/{name}",
        "upstream": "ws://up.example",
        **fields,
    }
    return Route.from_document({**document, **fields})


def a_session(registry: Registry, subject: str | None = "alice", route: str = "echo", **fields: Any) -> Session:
    """A session whose upstream is still being dialled; it can be listed, closed and revoked."""
    identity = Identity("default", subject=subject, **fields)
    return registry.register(a_route(route), identity, Arrival("r-1", "192.0.2.7"))


@asynccontextmanager
async def a_desk(folder: Path, **changes: Any) -> AsyncIterator[Desk]:
    """Changes replace parts."""
    loop, metrics = asyncio.get_running_loop(), Metrics()
    engine = AsyncioEngine(loop)
    registry = Registry(loop, engine, metrics, "plain", lambda: 0.0)
    journal = RevocationJournal.open(folder / "state", lambda: NOW)

    def apply(record: RevocationRecord) -> int:
        return registry.revoke([record], NOW)

    parts = AdminParts(
        pod="pod-1",
        token=SecretStr(TOKEN),
        event_revocation_seconds=SECONDS,
        log_identity="plain",
        registry=registry,
        session_expires_at=lambda session: None,
        catalogue=Catalogue,
        view=RevocationView(),
        stale_seconds=60,
        refusals=RefusalRing("plain"),
        inbox=journal,
        apply=apply,
        drain=lambda: 0.0,
        now=lambda: NOW,
    )
    parts = replace(parts, **changes)
    app = make_admin_app(metrics, lambda: None, parts)
    with _captured() as lines:
        async with _listening(app) as url, aiohttp.ClientSession() as http:
            yield Desk(url, http, parts, journal, lines)
    registry.stop()
    engine.stop()
    journal.close()


@asynccontextmanager
async def _listening(app: web.Application) -> AsyncIterator[str]:
    # As in production; aiohttp's TestServer cancels handlers whose client has gone.
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1, lingering_time=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@contextmanager
def _captured() -> Iterator[list[tuple[str, dict[str, Any]]]]:
    lines: list[tuple[str, dict[str, Any]]] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(  # type: ignore[method-assign]  # shorter than a class
        (record.getMessage(), getattr(record, "fields", {}))
    )
    logger = logging.getLogger("wsgate")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel("INFO")
    try:
        yield lines
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
