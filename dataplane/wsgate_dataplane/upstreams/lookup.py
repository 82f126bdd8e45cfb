"""Names are looked up in threads of the gateway's own, a few at a time for each namespace or name."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import TypeVar
from weakref import WeakValueDictionary

THREADS_MAX = 128
LOOKUPS_MAX = 4
"""Under way at once for one owner; its further ones wait."""

Found = TypeVar("Found")


class Lookups:
    """Threads for the C library's resolver: slow name servers of one owner do not stop the others' lookups.

    A lookup cannot be ended: it takes its thread, and one of its owner's places, until it is done, also when
    nobody waits for it any more. uvloop's own would take one of the two that libuv has for all.
    """

    def __init__(self) -> None:
        self._places = WeakValueDictionary[tuple[str, str], asyncio.Semaphore]()
        self._waiting = SimpleQueue[Callable[[], None]]()
        self._under_way = self._threads = 0

    async def run(self, owner: tuple[str, str], lookup: Callable[[], Found]) -> Found:
        """What lookup answers or raises in a thread; owner: a kind and a name of that kind."""
        places = self._places.get(owner) or self._places.setdefault(owner, asyncio.Semaphore(LOOKUPS_MAX))
        await places.acquire()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Found] = loop.create_future()

        def settle(done: Callable[[], None]) -> None:
            self._under_way -= 1
            places.release()
            if not answer.done():
                done()

        def look_up() -> None:
            done = _nothing if answer.cancelled() else _done(lookup, answer)
            # A closed loop: the process ends.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(settle, done)

        self._give_to_a_thread(look_up)
        return await answer

    def _give_to_a_thread(self, lookup: Callable[[], None]) -> None:
        self._under_way += 1
        self._waiting.put(lookup)
        if self._threads < min(self._under_way, THREADS_MAX):
            self._threads += 1
            # Not an executor's: those are waited for at the end of the process.
            threading.Thread(target=self._work, name=f"lookup-{self._threads}", daemon=True).start()

    def _work(self) -> None:
        while True:
            self._waiting.get()()


def _done(lookup: Callable[[], Found], answer: "asyncio.Future[Found]") -> Callable[[], None]:
    """Do the lookup; the result is called in the loop, whose future it settles."""
    try:
        return partial(answer.set_result, lookup())
    except Exception as error:  # noqa: BLE001  # raised where the answer is awaited
        return partial(answer.set_exception, error)


def _nothing() -> None:
    """Nobody waits for the answer."""
