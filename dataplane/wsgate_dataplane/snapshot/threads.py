"""Looks at a file system in threads that nobody waits for at the end."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

Value = TypeVar("Value")


async def in_thread(function: Callable[[], Value]) -> Value:
    """Like asyncio.to_thread, but no thread that hangs in the file system keeps the process from ending.

    Nor does it hold up other calls. Threads are used again: to start one for each look takes longer than the look.
    """
    done: Future[Value] = Future()
    # From here on a cancelled waiter only looks away.
    done.set_running_or_notify_cancel()
    worker = _idle.pop() if _idle else _Worker()
    worker.jobs.put((done, function))
    return await asyncio.wrap_future(done)


class _Worker:
    """A thread that has one job at a time."""

    def __init__(self) -> None:
        self.jobs = SimpleQueue[tuple[Future[Any], Callable[[], Any]]]()
        threading.Thread(target=self._run, name="snapshot", daemon=True).start()

    def _run(self) -> None:
        while True:
            done, function = self.jobs.get()
            try:
                result, error = function(), None
            except BaseException as raised:  # noqa: BLE001  # raised where it is awaited; else that waits for ever
                result, error = None, raised
            # Before the result is told, so that who goes on to the next job finds this thread.
            _idle.append(self)
            if error is None:
                done.set_result(result)
            else:
                done.set_exception(error)
            # Until the next job nothing of this one is kept.
            del done, function, result, error


_idle: list[_Worker] = []
"""As many as were ever busy at once: two, and those that came after one that hung."""
