"""Looks at the file system run beside the loop, in few threads, and none of them is waited for at the end."""

import asyncio
import threading

import pytest

from tests.support.loops import eventually, on_both_loops
from wsgate_dataplane.snapshot.threads import in_thread


@on_both_loops
async def test_the_result_and_the_error_are_the_functions_own() -> None:
    assert await in_thread(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        await in_thread(lambda: 1 // 0)


@on_both_loops
async def test_one_look_after_the_other_takes_one_thread() -> None:
    first = await in_thread(threading.current_thread)
    assert first is not threading.current_thread()
    assert {await in_thread(threading.current_thread) for _ in range(20)} == {first}
    assert first.daemon


@on_both_loops
async def test_a_look_that_hangs_holds_up_no_other_and_its_waiter_may_go() -> None:
    hung, over = threading.Event(), threading.Event()

    def hang() -> None:
        hung.set()
        over.wait(60)

    async with asyncio.TaskGroup() as tasks:
        waiter = tasks.create_task(in_thread(hang))
        await eventually(hung.is_set)
        waiter.cancel()
    assert waiter.cancelled()
    assert await in_thread(lambda: "another") == "another"
    over.set()
