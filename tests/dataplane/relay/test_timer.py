"""The one timer, on real loops."""

import asyncio
import gc

import pytest

from tests.support.loops import eventually, on_both_loops
from wsgate_dataplane.relay.timer import DeadlineTimer


@on_both_loops
async def test_items_are_called_in_the_order_of_their_times_and_not_before() -> None:
    loop = asyncio.get_running_loop()
    called: list[tuple[str, float]] = []
    timer = DeadlineTimer[str](loop, lambda item: called.append((item, loop.time())))
    now = loop.time()
    dues = {"late": now + 0.06, "early": now + 0.02, "middle": now + 0.04}
    for item, due in dues.items():
        timer.set(item, due)
    await eventually(lambda: len(called) == 3)
    assert [item for item, _ in called] == ["early", "middle", "late"]
    assert all(at >= dues[item] - 0.0015 for item, at in called)
    assert len(timer) == 0


@on_both_loops
async def test_a_time_that_was_put_off_does_not_call_early_and_one_that_was_advanced_does() -> None:
    loop = asyncio.get_running_loop()
    called: list[str] = []
    timer = DeadlineTimer[str](loop, called.append)
    now = loop.time()
    timer.set("put off", now + 0.01)
    timer.set("put off", now + 3600)
    timer.set("discarded", now + 0.01)
    timer.discard("discarded")
    timer.set("advanced", now + 3600)
    timer.set("advanced", now + 0.03)
    await eventually(lambda: called)
    assert called == ["advanced"]
    assert len(timer) == 1
    timer.stop()


@on_both_loops
async def test_an_item_may_set_itself_again() -> None:
    loop = asyncio.get_running_loop()
    called: list[int] = []

    def on_due(item: int) -> None:
        called.append(item)
        if item:
            timer.set(item - 1, loop.time() + 0.005)

    timer = DeadlineTimer[int](loop, on_due)
    timer.set(3, loop.time())
    await eventually(lambda: called == [3, 2, 1, 0])


@on_both_loops
async def test_one_item_that_raises_keeps_no_other_from_its_time() -> None:
    loop = asyncio.get_running_loop()
    called: list[str] = []
    errors: list[object] = []
    loop.set_exception_handler(lambda _, context: errors.append(context["exception"]))

    def on_due(item: str) -> None:
        called.append(item)
        if item == "broken":
            raise RuntimeError(item)

    timer = DeadlineTimer[str](loop, on_due)
    timer.set("broken", loop.time())
    timer.set("due together", loop.time())
    timer.set("later", loop.time() + 0.01)
    await eventually(lambda: called == ["broken", "due together", "later"], lambda: str(called), seconds=2)
    assert [str(error) for error in errors] == ["broken"]


@on_both_loops
async def test_a_stopped_timer_calls_nothing() -> None:
    loop = asyncio.get_running_loop()
    timer = DeadlineTimer[str](loop, pytest.fail)
    timer.set("never", loop.time() + 0.01)
    timer.stop()
    assert len(timer) == 0
    passed: list[str] = []
    other = DeadlineTimer[str](loop, passed.append)
    other.set("after it", loop.time() + 0.03)
    await eventually(lambda: passed)


@on_both_loops
async def test_a_thousand_items_share_one_loop_handle() -> None:
    loop = asyncio.get_running_loop()
    timer = DeadlineTimer[int](loop, lambda item: pytest.fail(str(item)))
    gc.collect()
    before = handles()
    for item in range(1000):
        timer.set(item, loop.time() + 3600 + item)
    gc.collect()
    assert handles() - before == 1
    timer.stop()


def handles() -> int:
    """Timer handles of either loop that would still call something."""
    return sum(type(each).__name__ == "TimerHandle" and not each.cancelled() for each in gc.get_objects())
