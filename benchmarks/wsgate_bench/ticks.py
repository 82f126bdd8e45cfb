"""A timer of the kernel for the event loop: asyncio's own know milliseconds only, too coarse to pace messages."""

import asyncio
import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

CLOCK_MONOTONIC = 1
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
def ticking(interval_seconds: float, action: Callable[[], None]) -> Iterator[None]:
    """Call action once for each interval that begins; once for all that have begun while the loop was busy.

    Raises OSError where the kernel gives no timer. Source: timerfd_create(2).
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
        seconds, nanoseconds = divmod(max(1, round(interval_seconds * NANOSECONDS)), NANOSECONDS)
        setting = _Setting(seconds, nanoseconds, seconds, nanoseconds)
        if libc.timerfd_settime(descriptor, 0, ctypes.byref(setting), None):
            raise _last_error()
        yield
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def _last_error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"timerfd: {os.strerror(number)}")
