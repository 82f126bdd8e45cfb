"""The kernel's timer in the event loop."""

import asyncio
import os

from wsgate_bench.ticks import ticking


def test_a_tick_comes_sooner_than_asyncios_own_timers_could() -> None:
    async def count() -> int:
        ticks = 0
        enough = asyncio.Event()

        def tick() -> None:
            nonlocal ticks
            ticks += 1
            if ticks == 20:
                enough.set()

        async with asyncio.timeout(10):
            with ticking(50e-6, tick):
                await enough.wait()
        return ticks

    assert asyncio.run(count()) >= 20


def test_the_timer_is_closed_at_the_end() -> None:
    async def descriptors() -> tuple[list[str], list[str]]:
        before = os.listdir("/proc/self/fd")
        with ticking(1, lambda: None):
            pass
        return before, os.listdir("/proc/self/fd")

    before, after = asyncio.run(descriptors())
    assert len(before) == len(after)
