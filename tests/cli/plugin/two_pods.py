"""Two pods with the real admin API, in a thread beside the command line; and a server that plays faults."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import web

from tests.dataplane.admin.desk import Desk, a_desk

Result = TypeVar("Result")
STEP_SECONDS = 10


@contextmanager
def beside(context: AbstractAsyncContextManager[Result]) -> Iterator[tuple[Result, asyncio.AbstractEventLoop]]:
    """The context and its event loop, in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        entered = asyncio.run_coroutine_threadsafe(_entered(context), loop).result(STEP_SECONDS)
        try:
            yield entered, loop
        finally:
            asyncio.run_coroutine_threadsafe(_left(context), loop).result(STEP_SECONDS)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _entered(context: AbstractAsyncContextManager[Result]) -> Result:
    return await context.__aenter__()


async def _left(context: AbstractAsyncContextManager[Result]) -> None:
    await context.__aexit__(None, None, None)


@dataclass(frozen=True)
class Pods:
    """desks: of pod-1 and pod-2, to be touched by run() only."""

    desks: tuple[Desk, Desk]
    loop: asyncio.AbstractEventLoop

    @property
    def urls(self) -> list[str]:
        """Of the admin ports."""
        return [desk.url for desk in self.desks]

    def run(self, work: Callable[[], Result]) -> Result:
        """Call it where the pods live."""

        async def call() -> Result:
            return work()

        return asyncio.run_coroutine_threadsafe(call(), self.loop).result(STEP_SECONDS)


@contextmanager
def two_pods(folder: Path, **changes: Any) -> Iterator[Pods]:
    """Changes replace parts of both."""

    @asynccontextmanager
    async def both() -> AsyncIterator[tuple[Desk, Desk]]:
        async with (
            a_desk(folder / "pod-1", **{"pod": "pod-1", **changes}) as first,
            a_desk(folder / "pod-2", **{"pod": "pod-2", **changes}) as second,
        ):
            yield first, second

    with beside(both()) as (desks, loop):
        yield Pods(desks, loop)


@contextmanager
def answering(handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> Iterator[str]:
    """The URL of a server that answers every request so."""

    @asynccontextmanager
    async def serving() -> AsyncIterator[str]:
        server = web.Server(handler, access_log=None)
        runner = web.ServerRunner(server, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()

    with beside(serving()) as (url, _):
        yield url
