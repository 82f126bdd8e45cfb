"""An upstream that echoes, in the event loop of the test."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import websockets
import websockets.asyncio.server
from tests.support.world import echo
from websockets import Subprotocol
from websockets.asyncio.server import ServerConnection


@dataclass(frozen=True)
class Upstream:
    """Where it listens and what it was asked."""

    url: str
    requests: list[websockets.Request] = field(default_factory=list)
    """The handshakes, oldest first."""


@asynccontextmanager
async def echoing() -> AsyncIterator[Upstream]:
    """Serve for as long as the block, by the first subprotocol of each client."""

    def first(_: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
        return offered[0] if offered else None

    async def serve(connection: ServerConnection) -> None:
        assert connection.request is not None
        upstream.requests.append(connection.request)
        await echo(connection)

    async with websockets.asyncio.server.serve(serve, "127.0.0.1", 0, select_subprotocol=first) as server:
        upstream = Upstream(f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}")
        yield upstream
