"""Pods are told of what is newest: at once, in rounds with a pause between, and again where that failed."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NoReturn

import pytest

from tests.operator.sinks.api_server import Answer, ApiServer
from tests.operator.sinks.revocation_log.house import logged
from tests.operator.sinks.test_pods import marks, pod
from tests.support.world import eventually
from wsgate_operator.controller import pod_marks as module
from wsgate_operator.controller.pod_marks import PodMarks
from wsgate_operator.sinks.pods import PodsSink


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AGAIN_SECONDS", 0.05)
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.2)


@asynccontextmanager
async def marking(server: ApiServer) -> AsyncIterator[PodMarks]:
    async with server.running() as calls, asyncio.TaskGroup() as tasks:
        found = PodMarks(PodsSink(calls, "wsgate", "system"))
        task = tasks.create_task(rounds(found))
        try:
            yield found
        finally:
            task.cancel()


async def rounds(found: PodMarks) -> NoReturn:
    while True:
        with contextlib.suppress(RuntimeError):
            await found.make_round()


def test_a_mark_names_the_newest_version_of_each_content() -> None:
    async def run() -> None:
        server = ApiServer()
        pod(server, "a")
        pod(server, "b")
        async with marking(server) as found:
            found.note("routes", "1")
            await eventually(lambda: set(marks(server).values()) == {"routes-1"}, "both are told")
            found.note("revocations", "4@17")
            await eventually(lambda: set(marks(server).values()) == {"revocations-4@17 routes-1"}, "both again")

    asyncio.run(run())


def test_many_versions_in_a_row_make_few_rounds() -> None:
    async def run() -> None:
        server = ApiServer()
        pod(server, "a")
        async with marking(server) as found:
            for number in range(50):
                found.note("routes", str(number))
                await asyncio.sleep(0.005)  # a version now and then
            await eventually(lambda: marks(server) == {"a": "routes-49"}, "the newest is told")
            assert server.calls["PATCH"] <= 4

    asyncio.run(run())


@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_a_round_that_failed_is_made_again_and_told_once(method: str) -> None:
    async def run(lines: list[logging.LogRecord]) -> None:
        server = ApiServer()
        pod(server, "a")
        server.refuse = lambda called, path: Answer(403) if called == method else None
        async with marking(server) as found:
            found.note("routes", "1")
            await eventually(lambda: server.calls[method] >= 3, "it is tried again")
            server.refuse = lambda called, path: None
            await eventually(lambda: marks(server) == {"a": "routes-1"}, "it is told")
            await eventually(lambda: len(lines) == 2, "the end of the fault is told")

    with logged() as lines:
        asyncio.run(run(lines))
    assert lines[1].getMessage() == f"{lines[0].getMessage()}: over"


def test_a_round_that_a_defect_ended_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    called = []

    async def explode(_: PodsSink, mark: str) -> None:
        called.append(mark)
        monkeypatch.undo()
        raise RuntimeError("a defect")

    async def run() -> None:
        server = ApiServer()
        pod(server, "a")
        async with marking(server) as found:
            monkeypatch.setattr(PodsSink, "bump", explode)
            found.note("routes", "1")
            await eventually(lambda: marks(server) == {"a": "routes-1"}, "it is told")
            assert called == ["routes-1"]

    asyncio.run(run())
