"""The kernel's timer in the event loop."""

import asyncio
import os
import time

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
            with ticking(time.monotonic(), 50e-6, tick):
                await enough.wait()
        return ticks

    assert asyncio.run(count()) >= 20


def test_the_timer_is_closed_at_the_end() -> None:
    async def descriptors() -> tuple[list[str], list[str]]:
        before = os.listdir("/proc/self/fd")
        with ticking(time.monotonic() + 1, 1, lambda: None):
            pass
        return before, os.listdir("/proc/self/fd")

    before, after = asyncio.run(descriptors())
    assert len(before) == len(after)


def test_the_first_tick_comes_when_it_was_asked_for_and_no_sooner() -> None:
    async def first_tick() -> tuple[float, float]:
        came = asyncio.get_running_loop().create_future()
        wanted = time.monotonic() + 0.02
        with ticking(wanted, 60, lambda: came.set_result(time.monotonic())):
            async with asyncio.timeout(10):
                return wanted, await came

    wanted, came = asyncio.run(first_tick())
    assert wanted <= came
