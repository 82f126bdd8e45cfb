"""A timer of the kernel for the event loop: asyncio's own know milliseconds only, too coarse to pace messages."""

import asyncio
import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

CLOCK_MONOTONIC = 1
AT_ABSOLUTE_TIME = 1
NANOSECONDS = 1_000_000_000
EXPIRATIONS_BYTES = 8


class _Setting(ctypes.Structure):
    """struct itimerspec (timerfd_create(2))."""

    _fields_ = (
        ("every_seconds", ctypes.c_long),
        ("every_nanoseconds", ctypes.c_long),
        ("first_seconds", ctypes.c_long),
        ("first_nanoseconds", ctypes.c_long),
    )


@contextmanager
def ticking(first: float, interval_seconds: float, action: Callable[[], None]) -> Iterator[None]:
    """Call action at first, by time.monotonic, and then once for each interval.

    Where the loop was busy for several, it is called once for all. Raises OSError where the kernel gives no timer.
    Source: timerfd_create(2).
    """
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.timerfd_create(CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
    if descriptor < 0:
        raise _last_error()
    loop = asyncio.get_running_loop()

    def fire() -> None:
        os.read(descriptor, EXPIRATIONS_BYTES)
        action()

    try:
        loop.add_reader(descriptor, fire)
        setting = _Setting(*_whole(interval_seconds), *_whole(first))
        if libc.timerfd_settime(descriptor, AT_ABSOLUTE_TIME, ctypes.byref(setting), None):
            raise _last_error()
        yield
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def _whole(seconds: float) -> tuple[int, int]:
    """Seconds and nanoseconds; both zero would stop the timer."""
    return divmod(max(1, round(seconds * NANOSECONDS)), NANOSECONDS)


def _last_error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"timerfd: {os.strerror(number)}")
