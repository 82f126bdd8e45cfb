"""A client of the gateway, and tests that await."""

import asyncio
import functools
import json
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, ParamSpec

import aiohttp
import websockets.asyncio.client
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import InvalidHandshake

from e2e.daemon import POLL_SECONDS
from e2e.processes import Serving

CLOSE_SECONDS = 10.0
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}

Parameters = ParamSpec("Parameters")

_sessions: ContextVar[AsyncExitStack] = ContextVar("sessions")


def asynchronous(test: Callable[Parameters, Coroutine[Any, Any, None]]) -> Callable[Parameters, None]:
    """Run a test in an event loop of its own; fixtures stay blocking, they live elsewhere."""

    @functools.wraps(test)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
        async def closing() -> None:
            async with AsyncExitStack() as stack:
                _sessions.set(stack)
                await test(*args, **kwargs)

        asyncio.run(closing())

    return run


def connect(
    plane: Serving, host: str, path: str, token: str | None = None, **options: Any
) -> websockets.asyncio.client.connect:
    """Open a session on one data plane; a token goes into the Authorization header."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    address: dict[str, Any] = {"host": "127.0.0.1", "port": plane.port, "proxy": None}
    return websockets.asyncio.client.connect(
        f"ws://{host}{path}", additional_headers=headers, **address, **options
    )


async def open_session(plane: Serving, host: str, path: str, token: str) -> ClientConnection:
    """A session that has echoed a message; it is closed with the test at the latest."""
    client = await _sessions.get().enter_async_context(connect(plane, host, path, token))
    assert await echoes(client)
    return client


async def opens(plane: Serving, host: str, path: str, token: str) -> bool:
    """Whether a session opens now."""
    try:
        async with connect(plane, host, path, token):
            return True
    except (OSError, InvalidHandshake):
        return False


@dataclass(frozen=True)
class Refusal:
    """An HTTP answer instead of a 101."""

    status: int
    retry_after: str | None
    problem: Mapping[str, Any]

    @property
    def reason(self) -> str:
        """The outcome's name."""
        return str(self.problem["reason"])


async def refusal(plane: Serving, host: str, path: str, token: str | None = None) -> Refusal:
    """Try to open a session; fails where it opens."""
    headers: Mapping[str, str] = {"Host": host, **UPGRADE}
    if token is not None:
        headers = {**headers, "Authorization": f"Bearer {token}"}
    url = f"http://127.0.0.1:{plane.port}{path}"
    async with aiohttp.ClientSession() as http, http.get(url, headers=headers) as response:
        assert response.status != 101, "the session was opened"
        return Refusal(response.status, response.headers.get("Retry-After"), json.loads(await response.read()))


async def eventually(is_true: Callable[[], Awaitable[bool]], what: str, seconds: float = 10) -> None:
    """Wait for a condition that awaits; fails with what after the deadline."""
    deadline = time.monotonic() + seconds
    while not await is_true():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain: {what}"
        await asyncio.sleep(POLL_SECONDS)


async def echoes(client: ClientConnection, message: str = "hello") -> bool:
    """Whether a message comes back."""
    await client.send(message)
    async with asyncio.timeout(CLOSE_SECONDS):
        return await client.recv() == message


@dataclass(frozen=True)
class Closed:
    """How a session ended, as its client saw it."""

    code: int | None
    reason: str | None
    at: float
    """time.monotonic()"""


async def closed(client: ClientConnection, seconds: float = CLOSE_SECONDS) -> Closed:
    """Wait for the session's end."""
    async with asyncio.timeout(seconds):
        await client.wait_closed()
    return Closed(client.close_code, client.close_reason, time.monotonic())
