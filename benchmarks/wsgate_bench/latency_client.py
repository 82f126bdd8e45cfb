"""The latency client, a process of its own on picows: messages at a fixed pace, whatever the replies do.

First it finds the most that the peer echoes, each connection sending when its reply is there. Then it sends at
half of that: messages are due at even distances, a few at once, on one connection after the other, and a latency
counts from when the message was due, so a stall shows in every message that fell into it (no coordinated
omission). It talks with the driver as load_client does.
"""

import asyncio
import gc
import math
import os
import time
from collections import deque
from collections.abc import Sequence

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from .client_session import SessionFailed
from .load_client import STEP_SECONDS_MAX, Task, play, stage
from .ticks import ticking

SHARE_OF_MOST = 0.5
CLOSED_LOOP_SECONDS = 0.7
SETTLING_SECONDS = 0.5
"""The first part of the paced time does not count."""

TICK_SECONDS_MIN = 0.00025
"""At more than 4,000 messages a second some are due together, each on its own connection: to be woken for every
single one would cost the client more than the peer's work is, on CPUs that they share."""

LEAD_SECONDS = 0.01
"""From the setting of the timer to the first message."""

MICROSECONDS = 1e6


class Meter:
    """What all connections send, what came back, and how long it took."""

    def __init__(self, payload: bytes) -> None:
        self.payload = payload
        self.is_closed_loop = False
        self.is_leaving = False
        self.answered = 0
        self.latencies: list[float] = []
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def fail(self, words: str) -> None:
        if not self.failed.done():
            self.failed.set_exception(SessionFailed(words))


class Connection(WSListener):
    """One session. dues are the times at which the messages under way were due, oldest first."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self.dues: deque[float] = deque()
        self.transport: WSTransport

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport

    def send(self, due: float) -> None:
        self.dues.append(due)
        self.transport.send(WSMsgType.BINARY, self._meter.payload)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        meter = self._meter
        if frame.msg_type != WSMsgType.BINARY:
            return
        if not self.dues or frame.get_payload_as_bytes() != meter.payload:
            meter.fail("not the echo")
            return
        now = time.monotonic()
        meter.latencies.append(now - self.dues.popleft())
        meter.answered += 1
        if meter.is_closed_loop:
            self.send(now)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if not self._meter.is_leaving:
            self._meter.fail("connection lost")


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The least value that so many percent do not exceed (nearest rank)."""
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


async def connect(task: Task, meter: Meter, token: str) -> Connection:
    """Open one session."""
    headers = {"Authorization": f"Bearer {token}"}
    _, listener = await ws_connect(
        lambda: Connection(meter),
        f"ws://127.0.0.1:{task.port}/",
        extra_headers=headers,
        websocket_handshake_timeout=STEP_SECONDS_MAX,
    )
    assert isinstance(listener, Connection)
    return listener


async def watched(meter: Meter, seconds: float) -> None:
    """Let so much time pass; raises SessionFailed as soon as a connection fails."""
    await asyncio.wait([meter.failed], timeout=seconds)
    if meter.failed.done():
        meter.failed.result()


async def all_back(meter: Meter, connections: list[Connection]) -> None:
    """Wait until nothing is under way."""
    deadline = time.monotonic() + STEP_SECONDS_MAX
    while any(connection.dues for connection in connections):
        if time.monotonic() > deadline:
            raise SessionFailed("messages did not come back")
        await watched(meter, 0.01)


async def closed_loop(meter: Meter, connections: list[Connection]) -> float:
    """The most messages a second."""
    meter.is_closed_loop = True
    started = time.monotonic()
    for connection in connections:
        connection.send(started)
    await watched(meter, CLOSED_LOOP_SECONDS)
    most = meter.answered / (time.monotonic() - started)
    meter.is_closed_loop = False
    await all_back(meter, connections)
    return most


async def paced(meter: Meter, connections: list[Connection], rate: float, seconds: float) -> int:
    """Send that many messages a second; returns how many were sent after the settling time."""
    interval = max(1 / rate, TICK_SECONDS_MIN)
    started = time.monotonic() + LEAD_SECONDS
    total, settling = int(rate * seconds), int(rate * SETTLING_SECONDS)
    sent = tick = 0

    def send_what_is_due() -> None:
        nonlocal sent, tick
        while (due := started + tick * interval) <= time.monotonic() and sent < total:
            # The first tick has one, the others what has become due since the last.
            for _ in range(min(total, int(tick * interval * rate) + 1) - sent):
                connections[sent % len(connections)].send(due)
                sent += 1
            tick += 1

    with ticking(started, interval, send_what_is_due):
        while sent < total:
            await watched(meter, max(interval, started + seconds - time.monotonic()))
    await all_back(meter, connections)
    del meter.latencies[:settling]
    return total - settling


async def run(task: Task, tokens: list[str]) -> None:
    """Connect, find the most, send at half of it, report."""
    meter = Meter(os.urandom(task.payload_bytes))
    connections = [await connect(task, meter, token) for token in tokens]
    # A collection would count as the peer's latency.
    gc.collect()
    gc.disable()
    rate = await closed_loop(meter, connections) * SHARE_OF_MOST
    meter.latencies.clear()
    await stage()
    counted = await paced(meter, connections, rate, task.seconds)
    ordered = sorted(meter.latencies)
    p50, p99 = (percentile(ordered, percent) * MICROSECONDS for percent in (50, 99))
    await stage(operations=counted, seconds=counted / rate, p50=p50, p99=p99)
    meter.is_leaving = True
    for connection in connections:
        connection.transport.disconnect()


if __name__ == "__main__":
    play(run)
