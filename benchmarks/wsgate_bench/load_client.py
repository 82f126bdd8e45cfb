"""The load client, a process of its own: one measurement, in stages that the driver starts and times.

It reads a task as JSON from the command line; for each stage it writes one JSON line and waits for one line back.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import uvloop

from .client_session import Exchange, Session, SessionFailed
from .frames import opening_request

STEP_SECONDS_MAX = 10
"""The longest wait for one handshake, echo or close, and for the last replies of a load."""

VISITS_AT_ONCE_MAX = 1000
"""So many that wait for their handshake at once are more than the peer can ever catch up with."""

Item = TypeVar("Item")


@dataclass(frozen=True)
class Task:
    """One measurement. The first `warm` tokens open sessions before the measured time, the next `count` in it."""

    kind: str
    port: int
    token_file: str
    first_token: int
    warm: int
    count: int
    payload_bytes: int = 64
    window: int = 1
    concurrency: int = 16
    seconds: float = 0
    is_same_token: bool = False
    rate: float = 0
    """Visits a second."""


async def stage(**report: float) -> None:
    """Tell the driver that a stage was reached; return when it says go."""
    sys.stdout.write(json.dumps(report) + "\n")
    sys.stdout.flush()
    if not await asyncio.to_thread(sys.stdin.readline):
        raise SessionFailed("the driver is gone")


async def connect(task: Task, exchange: Exchange, token: str) -> Session:
    """Open one session."""
    request = opening_request(f"127.0.0.1:{task.port}", "/", token)
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(STEP_SECONDS_MAX):
        _, session = await loop.create_connection(lambda: Session(exchange, request), "127.0.0.1", task.port)
        await session.reached
    return session


async def spread(concurrency: int, items: Iterable[Item], action: Callable[[Item], Awaitable[None]]) -> None:
    """Apply action to all items, `concurrency` at a time."""
    queue = iter(items)

    async def worker() -> None:
        for item in queue:
            await action(item)

    async with asyncio.TaskGroup() as workers:
        for _ in range(concurrency):
            workers.create_task(worker())


class Crowd:
    """Sessions that stay open, each of which has echoed one message."""

    def __init__(self, task: Task, exchange: Exchange) -> None:
        self._task = task
        self._exchange = exchange
        self.sessions: list[Session] = []

    async def join(self, tokens: Iterable[str]) -> None:
        await spread(self._task.concurrency, tokens, self._open)

    async def echo(self) -> None:
        await spread(self._task.concurrency, self.sessions, self._echo)

    async def leave(self) -> None:
        await spread(self._task.concurrency, self.sessions, self._leave)

    async def _open(self, token: str) -> None:
        session = await connect(self._task, self._exchange, token)
        await self._echo(session)
        self.sessions.append(session)

    async def _echo(self, session: Session) -> None:
        async with asyncio.timeout(STEP_SECONDS_MAX):
            await session.echo()

    async def _leave(self, session: Session) -> None:
        async with asyncio.timeout(STEP_SECONDS_MAX):
            await session.leave()


async def load(task: Task, exchange: Exchange, tokens: list[str]) -> None:
    """`count` sessions keep `window` messages each in flight for some seconds; all must come back."""
    crowd = Crowd(task, exchange)
    await crowd.join(tokens)
    await stage()
    started = time.monotonic()
    exchange.is_sending = True
    answers = [session.begin_load() for session in crowd.sessions]
    await asyncio.sleep(task.seconds)
    exchange.is_sending = False
    async with asyncio.timeout(STEP_SECONDS_MAX):
        await asyncio.gather(*answers)
    seconds = time.monotonic() - started
    sent = sum(session.sent for session in crowd.sessions)
    surplus = sum(session.received_bytes for session in crowd.sessions) - sent * exchange.reply_bytes
    if surplus:
        raise SessionFailed(f"{surplus} bytes more came back than were due")
    await stage(operations=sent, seconds=seconds)
    await crowd.echo()
    await crowd.leave()


async def idle(task: Task, exchange: Exchange, tokens: list[str]) -> None:
    """`count` sessions open, echo one message and stay."""
    crowd = Crowd(task, exchange)
    await crowd.join(tokens[: task.warm])
    await stage()
    started = time.monotonic()
    await crowd.join(tokens[task.warm :])
    await asyncio.sleep(task.seconds)
    await stage(operations=task.count, seconds=time.monotonic() - started)
    await crowd.echo()
    await crowd.leave()


async def visit(task: Task, exchange: Exchange, token: str) -> None:
    """Open a session and close it at once."""
    session = await connect(task, exchange, token)
    async with asyncio.timeout(STEP_SECONDS_MAX):
        await session.leave()


async def handshake(task: Task, exchange: Exchange, tokens: list[str]) -> None:
    """`count` visits, `concurrency` at a time."""
    await spread(task.concurrency, tokens[: task.warm], lambda token: visit(task, exchange, token))
    await stage()
    started = time.monotonic()
    await spread(task.concurrency, tokens[task.warm :], lambda token: visit(task, exchange, token))
    seconds = time.monotonic() - started
    # The gateway's own work of ending the last sessions belongs to the measured time.
    await asyncio.sleep(task.seconds)
    await stage(operations=task.count, seconds=seconds)


async def visits(task: Task, exchange: Exchange, tokens: list[str]) -> None:
    """`count` visits, each begun when it is due at `rate` a second, however long the others take."""
    await spread(task.concurrency, tokens[: task.warm], lambda token: visit(task, exchange, token))
    await stage()
    started = time.monotonic()
    async with asyncio.TaskGroup() as group:
        under_way: set[asyncio.Task[None]] = set()
        for number, token in enumerate(tokens[task.warm :]):
            await asyncio.sleep(started + number / task.rate - time.monotonic())
            if len(under_way) == VISITS_AT_ONCE_MAX:
                raise SessionFailed(f"{VISITS_AT_ONCE_MAX} handshakes wait at once")
            fresh = group.create_task(visit(task, exchange, token))
            under_way.add(fresh)
            fresh.add_done_callback(under_way.discard)
    await stage(operations=task.count, seconds=time.monotonic() - started)


KINDS = {"load": load, "idle": idle, "handshake": handshake, "visits": visits}


async def run(task: Task, tokens: list[str]) -> None:
    """Do the task."""
    await KINDS[task.kind](task, Exchange(os.urandom(task.payload_bytes), task.window), tokens)


def read_tokens(task: Task) -> list[str]:
    """The task's share of the pool."""
    pool = Path(task.token_file).read_text().split()
    if task.is_same_token:
        return pool[task.first_token : task.first_token + 1] * (task.warm + task.count)
    tokens = pool[task.first_token : task.first_token + task.warm + task.count]
    if len(tokens) < task.warm + task.count:
        raise SessionFailed("too few tokens were made")
    return tokens


def first_cause(error: BaseException) -> BaseException:
    """The first failure of a group; the others are mostly its consequences."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def play(run: Callable[[Task, list[str]], Coroutine[None, None, None]]) -> None:
    """Run a client of the task in argv; what goes wrong is the process's last words."""
    task = Task(**json.loads(sys.argv[1]))
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run(task, read_tokens(task)))
    except (SessionFailed, OSError, ExceptionGroup) as error:
        raise SystemExit(repr(first_cause(error))) from error


if __name__ == "__main__":
    play(run)
