"""Runs an async test on uvloop and on the plain loop, and fails it for what it leaves behind."""

import asyncio
import functools
import inspect
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import pytest
import uvloop

Test = Callable[..., Coroutine[Any, Any, None]]

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "uvloop": uvloop.new_event_loop,
    "asyncio": asyncio.SelectorEventLoop,
}

TEST_SECONDS = 30
"""Longest time that one async test may take."""
WAIT_SECONDS = 10
"""Longest time that a condition is waited for; generous, since the machine may be busy."""
POLL_SECONDS = 0.002


def on_both_loops(test: Test) -> Callable[..., None]:
    """Make a plain test of a coroutine function: once per loop, without leaked tasks or errors in callbacks."""
    signature = inspect.signature(test)

    @functools.wraps(test)
    def run(*args: Any, new_loop: Callable[[], asyncio.AbstractEventLoop], **kwargs: Any) -> None:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(_watched(test(*args, **kwargs)))

    parameter = inspect.Parameter("new_loop", inspect.Parameter.KEYWORD_ONLY)
    extended = signature.replace(parameters=[*signature.parameters.values(), parameter])
    run.__signature__ = extended  # type: ignore[attr-defined]  # pytest reads the arguments from it
    parametrised: Callable[..., None] = pytest.mark.parametrize("new_loop", LOOPS.values(), ids=LOOPS.keys())(run)
    return parametrised


async def _watched(test: Coroutine[Any, Any, None]) -> None:
    loop = asyncio.get_running_loop()
    errors: list[Mapping[str, Any]] = []
    loop.set_exception_handler(lambda _, context: errors.append(context))
    async with asyncio.timeout(TEST_SECONDS):
        await test
    own = asyncio.current_task()
    await eventually(lambda: asyncio.all_tasks() == {own}, lambda: f"leaked tasks: {asyncio.all_tasks()}")
    assert not errors, f"errors in callbacks: {errors}"


async def eventually(
    condition: Callable[[], object],
    told: Callable[[], object] | str = "",
    seconds: float = WAIT_SECONDS,
) -> None:
    """Wait until the condition holds; past the deadline the test fails with what is told."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(str(told() if callable(told) else told) or f"not within {seconds} s")
        await asyncio.sleep(POLL_SECONDS)


async def turns(count: int = 5) -> None:
    """Let everything that is ready now run, `count` loop iterations long."""
    for _ in range(count):
        await asyncio.sleep(0)
