"""Lookups that hang cost their own namespace its places, and nobody else anything."""

import asyncio
import subprocess
import sys
import threading
from collections import defaultdict
from functools import partial

import pytest

from tests.support.loops import eventually, on_both_loops, turns
from wsgate_dataplane.upstreams import lookup
from wsgate_dataplane.upstreams.lookup import LOOKUPS_MAX, Lookups

NEVER = """
import asyncio, threading
from wsgate_dataplane.upstreams.lookup import Lookups
asked = threading.Event()
def hang():
    asked.set()
    threading.Event().wait()
async def main():
    task = asyncio.get_running_loop().create_task(Lookups().run(("host", "a"), hang))
    while not asked.is_set():
        await asyncio.sleep(0)
    task.cancel()
asyncio.run(main())
"""


class Resolver:
    """Looks names up for a test: fast ones at once, others when they are let go."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._gates = defaultdict[str, threading.Event](threading.Event)

    def __call__(self, name: str) -> str:
        self.asked.append(name)
        if not name.startswith("fast"):
            self._gates[name].wait()
        return f"address of {name}"

    def let_go(self, *names: str) -> None:
        for name in names:
            self._gates[name].set()

    def begin(
        self, lookups: Lookups, tasks: asyncio.TaskGroup, namespace: str, *names: str
    ) -> list[asyncio.Task[str]]:
        return [tasks.create_task(lookups.run(("namespace", namespace), partial(self, name))) for name in names]


@on_both_loops
async def test_a_namespace_has_a_few_lookups_under_way_and_others_have_theirs() -> None:
    resolver, lookups = Resolver(), Lookups()
    names = [f"slow{i}" for i in range(200)]
    async with asyncio.TaskGroup() as tasks:
        stuck = resolver.begin(lookups, tasks, "evil", *names)
        await eventually(lambda: resolver.asked == names[:LOOKUPS_MAX])
        for name in ("fast-a", "fast-b"):
            assert await lookups.run(("namespace", "bank"), partial(resolver, name)) == f"address of {name}"
        resolver.let_go(*names)
        await asyncio.wait(stuck)
        assert [task.result() for task in stuck] == [f"address of {name}" for name in names]
    assert sorted(resolver.asked) == sorted([*names, "fast-a", "fast-b"])


@on_both_loops
async def test_a_lookup_that_nobody_waits_for_keeps_its_place_until_it_is_done() -> None:
    resolver, lookups = Resolver(), Lookups()
    names = [f"slow{i}" for i in range(LOOKUPS_MAX)]
    async with asyncio.TaskGroup() as tasks:
        stuck = resolver.begin(lookups, tasks, "evil", *names)
        await eventually(lambda: len(resolver.asked) == LOOKUPS_MAX)
        for task in stuck:
            task.cancel()
        await asyncio.wait(stuck)
        (further,) = resolver.begin(lookups, tasks, "evil", "fast")
        await turns(20)
        assert "fast" not in resolver.asked
        resolver.let_go(names[0])
        assert await further == "address of fast"
        resolver.let_go(*names)


@on_both_loops
async def test_what_was_given_up_before_a_thread_took_it_is_not_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "THREADS_MAX", 1)
    resolver, lookups = Resolver(), Lookups()
    async with asyncio.TaskGroup() as tasks:
        resolver.begin(lookups, tasks, "a", "slow")
        (given_up,) = resolver.begin(lookups, tasks, "b", "given-up")
        await eventually(lambda: resolver.asked == ["slow"])
        given_up.cancel()
        (behind,) = resolver.begin(lookups, tasks, "b", "fast")
        resolver.let_go("slow")
        await behind
    assert resolver.asked == ["slow", "fast"]


@on_both_loops
async def test_what_a_lookup_raises_reaches_who_asked() -> None:
    with pytest.raises(ZeroDivisionError):
        await Lookups().run(("host", "a"), lambda: 1 // 0)


def test_a_lookup_that_hangs_does_not_hold_up_the_end_of_the_process() -> None:
    assert subprocess.run([sys.executable, "-c", NEVER], timeout=20, check=False).returncode == 0
