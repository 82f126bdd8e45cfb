"""A handshake waits for a store as long as it is told to and no longer, whatever the store does."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.dataplane.identity.stores.backend import ScriptedBackend
from tests.support.loops import eventually, on_both_loops
from wsgate_dataplane.identity.stores import shared
from wsgate_dataplane.identity.stores.seal import Seal
from wsgate_dataplane.identity.stores.shared import Answer, Finding, SharedStore
from wsgate_dataplane.telemetry.metrics import Metrics

NOW = 1_800_000_000
LATER = NOW + 300
SEAL = Seal("k" * 32)
MISS, UNANSWERED = Answer(Finding.MISS), Answer(Finding.UNANSWERED)
PROMPTLY = 0.5


class Watched:
    """A store, its backend and its metrics."""

    def __init__(self) -> None:
        self.backend = ScriptedBackend()
        self.metrics = Metrics()
        self.store = SharedStore(self.backend, "prefix_", SEAL, self.metrics, lambda: NOW, lambda: 0.5)

    def sample(self, name: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"wsgate_token_cache_store_{name}")

    async def up(self) -> None:
        await eventually(lambda: self.sample("up") == 1, "the store is in use")

    async def down(self) -> None:
        await eventually(lambda: self.sample("up") == 0, "the store is left alone")

    async def ask(self, proof: bytes) -> Answer:
        return await self.store.ask(proof, NOW)


@asynccontextmanager
async def running(*, is_up: bool = True) -> AsyncIterator[Watched]:
    watched = Watched()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(watched.store.run())
        try:
            if is_up:
                await watched.up()
            yield watched
        finally:
            watched.backend.is_answering.set()
            task.cancel()


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a busy machine delays is no fault of the store."""
    monkeypatch.setattr(shared, "ANSWER_SECONDS", 1.0)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that failed is tried again at once."""
    monkeypatch.setattr(shared, "RETRY_SECONDS", 0.01)


@on_both_loops
async def test_what_one_was_told_another_is_answered() -> None:
    async with running() as watched:
        assert await watched.ask(b"a") == MISS
        watched.store.tell(b"a", LATER)
        await eventually(lambda: "prefix_61" in watched.backend.values)
        assert await watched.ask(b"a") == Answer(Finding.SHARED, LATER)
        assert await watched.store.ask(b"a", LATER) == MISS


@on_both_loops
async def test_a_value_that_no_holder_of_the_key_wrote_is_rejected() -> None:
    async with running() as watched:
        genuine = SEAL.close(b"a", LATER)
        for value in (b"true", genuine, Seal("o" * 32).close(b"b", LATER), genuine[:-1]):
            watched.backend.values["prefix_62"] = value
            assert await watched.ask(b"b") == Answer(Finding.REJECTED)


@on_both_loops
async def test_before_the_store_has_answered_once_nobody_waits_for_it() -> None:
    async with running(is_up=False) as watched:
        watched.backend.is_answering.clear()
        async with asyncio.timeout(PROMPTLY):
            for _ in range(100):
                assert await watched.ask(b"a") == UNANSWERED
        watched.store.tell(b"a", LATER)
        watched.backend.is_answering.set()
        await watched.up()
        assert await watched.ask(b"a") == MISS


@on_both_loops
async def test_a_store_that_stalls_costs_each_waiting_handshake_the_time_once_and_later_ones_nothing() -> None:
    async with running() as watched:
        watched.backend.is_answering.clear()
        began = time.monotonic()
        answers = await asyncio.gather(*(watched.ask(bytes([number])) for number in range(20)))
        assert answers == [UNANSWERED] * 20
        assert time.monotonic() - began < 2 * shared.ANSWER_SECONDS + 0.5
        await watched.down()
        reads = len(watched.backend.reads)
        async with asyncio.timeout(PROMPTLY):
            for number in range(100):
                assert await watched.ask(bytes([number])) == UNANSWERED
        assert len(watched.backend.reads) == reads
        assert watched.sample("faults_total") == 1


@on_both_loops
@pytest.mark.usefixtures("impatient")
async def test_a_store_that_answers_the_connection_but_no_question_stays_unused() -> None:
    async with running() as watched:
        watched.backend.is_answering.clear()
        await watched.ask(b"a")
        await watched.down()
        opened = watched.backend.opened
        await eventually(lambda: watched.backend.opened > opened, "the task tries it")
        assert await watched.ask(b"a") == UNANSWERED
        watched.backend.values.clear()
        watched.backend.forgets = True
        watched.backend.is_answering.set()
        opened = watched.backend.opened
        await eventually(lambda: watched.backend.opened > opened + 1, "what forgets is not used either")
        assert watched.sample("up") == 0
        watched.backend.forgets = False
        await watched.up()
        assert await watched.ask(b"a") == MISS


@on_both_loops
@pytest.mark.usefixtures("impatient")
async def test_an_outage_is_one_line_at_its_begin_and_one_at_its_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "wsgate")
    async with running() as watched:
        watched.backend.fault = ConnectionRefusedError(111, "refused")
        assert await watched.ask(b"a") == UNANSWERED
        opened = watched.backend.opened
        await eventually(lambda: watched.backend.opened > opened + 3, "it was tried again and again")
        watched.backend.fault = None
        await watched.up()
    assert [record.message for record in caplog.records] == [
        "token cache store fails",
        "token cache store works again",
    ]
    fields = caplog.records[0].__dict__["fields"]
    assert fields["setting"] == "SCRIPTED" and "ConnectionRefusedError" in fields["detail"]


@on_both_loops
@pytest.mark.parametrize("fault", [RuntimeError("unforeseen"), KeyError("x"), TimeoutError(), OSError("gone")])
async def test_whatever_a_driver_raises_the_task_lives_on(fault: Exception) -> None:
    async with running() as watched:
        watched.backend.fault = fault
        assert await watched.ask(b"a") == UNANSWERED
        await watched.down()
        watched.backend.fault = None


@on_both_loops
@pytest.mark.usefixtures("impatient")
async def test_a_write_that_fails_ends_the_use_as_well() -> None:
    async with running() as watched:
        watched.backend.fault = OSError("read-only")
        watched.store.tell(b"a", LATER)
        await watched.down()
        watched.backend.fault = None
        await watched.up()
        assert watched.backend.values.keys() == {"prefix_probe"}


@on_both_loops
async def test_questions_of_many_handshakes_travel_together_and_never_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shared, "BATCH_MAX", 10)
    async with running() as watched:
        watched.backend.reads.clear()
        answers = await asyncio.gather(*(watched.ask(bytes([number])) for number in range(25)))
        assert answers == [MISS] * 25
        assert sum(map(len, watched.backend.reads)) == 25
        assert max(map(len, watched.backend.reads)) == 10
        watched.backend.writes.clear()
        for number in range(25):
            watched.store.tell(bytes([number]), LATER)
        await eventually(lambda: sum(map(len, watched.backend.writes)) == 25)
        assert max(map(len, watched.backend.writes)) == 10


@on_both_loops
async def test_more_questions_than_may_wait_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "ASKED_MAX", 5)
    monkeypatch.setattr(shared, "TOLD_MAX", 5)
    async with running() as watched:
        answers = await asyncio.gather(*(watched.ask(bytes([number])) for number in range(8)))
        assert answers == [MISS] * 5 + [UNANSWERED] * 3
        for number in range(8):
            watched.store.tell(bytes([number]), LATER)
        await eventually(lambda: len(watched.backend.values) == 6, "five and the probe")
        assert await watched.ask(bytes([7])) == MISS


@on_both_loops
async def test_a_handshake_that_is_given_up_does_not_disturb_the_others() -> None:
    async with running() as watched:
        watched.backend.is_answering.clear()
        async with asyncio.TaskGroup() as tasks:
            gone, waiting = (tasks.create_task(watched.ask(each)) for each in (b"a", b"b"))
            await asyncio.sleep(0)
            gone.cancel()
            watched.backend.is_answering.set()
        assert gone.cancelled() and waiting.result() == MISS


@on_both_loops
async def test_expired_rows_are_swept_in_the_background_sooner_where_there_are_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shared, "SWEEP_SECONDS", 0.1)
    monkeypatch.setattr(shared, "SWEEP_PAUSE_SECONDS", 0.001)
    async with running() as watched:
        watched.backend.has_more = True
        await eventually(lambda: watched.backend.swept > 20, "sweeps follow each other")
        watched.backend.has_more = False
        assert await watched.ask(b"a") == MISS


@on_both_loops
async def test_the_end_closes_the_connection_and_waits_for_no_store_that_hangs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shared, "CLOSE_SECONDS", 0.01)
    watched = Watched()
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        task = tasks.create_task(watched.store.run())
        await watched.up()
        watched.backend.is_answering.clear()
        task.cancel()
    assert watched.backend.closed == 1
