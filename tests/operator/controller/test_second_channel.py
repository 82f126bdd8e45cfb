"""When the ConfigMap of the revocations is written, and when it is left alone."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import pytest

from tests.operator.sinks.api_server import Answer, ApiServer
from tests.operator.sinks.revocation_log.house import logged, record
from wsgate_contract.revocation import RevocationRecord
from wsgate_operator.controller import second_channel as module
from wsgate_operator.controller.second_channel import ALONE_SECONDS, FOLD_SECONDS, SecondChannel
from wsgate_operator.sinks import packed
from wsgate_operator.sinks.configmap import ConfigMapSink, Written
from wsgate_operator.sinks.packed import StoredBytes
from wsgate_operator.telemetry.metrics import Metrics

CONFIRM_SECONDS = 20
ALICE, BOB = record("alice"), record("bob")
PATH = "/api/v1/namespaces/system/configmaps/wsgate-revocations"


class House:
    """A channel with a clock that the test moves."""

    def __init__(self, server: ApiServer, channel: Callable[..., SecondChannel]) -> None:
        self.server, self.now, self.metrics = server, 1_900_000_000.0, Metrics()
        self.written: list[Written] = []
        self.channel = channel(lambda: self.now, CONFIRM_SECONDS, self.note, self.metrics)

    def note(self, written: Written, now: float) -> None:
        assert now == self.now
        self.written.append(written)

    async def step(self, after: float = 0.0, *records: RevocationRecord, is_alone: bool = False) -> int:
        """Want these if any, some time later; answers how many writes have been made since the beginning."""
        self.now += after
        if records:
            self.channel.want(records)
        await self.channel.step(is_alone=is_alone)
        return len(self.written)


def run(scenario: Callable[[House], Awaitable[None]]) -> None:
    async def play() -> None:
        server = ApiServer()
        async with server.running() as calls:
            sink = ConfigMapSink(calls, "wsgate", "system", "revocations")
            await scenario(House(server, partial(SecondChannel, sink)))

    asyncio.run(play())


def text(house: House) -> str:
    return str(house.server.objects[PATH]["data"]["revocations.yaml"])


def test_that_there_is_nothing_is_written_too() -> None:
    async def scenario(house: House) -> None:
        assert await house.step() == 1
        assert "revocations: []" in text(house)

    run(scenario)


def test_beside_redis_changes_are_collected_and_nothing_is_confirmed() -> None:
    async def scenario(house: House) -> None:
        assert await house.step() == 1
        assert await house.step(1, ALICE) == 1
        assert await house.step(FOLD_SECONDS - 1.1, ALICE, BOB) == 1
        assert await house.step(0.2) == 2
        assert house.channel.standing == {ALICE.id, BOB.id}
        for _ in range(20):
            assert await house.step(CONFIRM_SECONDS) == 2
        calls = house.server.calls.total()
        assert await house.step(1000) == 2 and house.server.calls.total() == calls

    run(scenario)


def test_alone_changes_are_written_within_a_second_and_confirmed_again_and_again() -> None:
    async def scenario(house: House) -> None:
        assert await house.step(is_alone=True) == 1
        assert await house.step(ALONE_SECONDS / 2, ALICE, is_alone=True) == 1
        assert await house.step(ALONE_SECONDS / 2, is_alone=True) == 2
        assert await house.step(CONFIRM_SECONDS - 1, is_alone=True) == 2
        assert await house.step(1, is_alone=True) == 3
        assert f"confirmedAt: {house.now:.0f}" in text(house)
        assert house.written[1].version == house.written[2].version, "the same records stand there"

    run(scenario)


def test_a_redis_that_goes_away_has_the_last_confirmation_renewed_at_once() -> None:
    async def scenario(house: House) -> None:
        assert await house.step() == 1
        assert await house.step(CONFIRM_SECONDS + 1) == 1
        assert await house.step(is_alone=True) == 2

    run(scenario)


@pytest.mark.parametrize("is_alone", [True, False])
def test_what_could_not_be_written_is_tried_again_with_a_pause(*, is_alone: bool) -> None:
    pause = ALONE_SECONDS if is_alone else FOLD_SECONDS

    async def scenario(house: House) -> None:
        house.server.refuse = lambda method, path: Answer(403)
        with logged() as lines:
            for _ in range(10):
                await house.step(pause / 2, ALICE, is_alone=is_alone)
            assert house.server.calls["GET"] == 5
            assert "403" in house.channel.fault and not house.channel.standing
            house.server.refuse = lambda method, path: None
            await house.step(pause, is_alone=is_alone)
        assert (house.channel.fault, list(house.channel.standing)) == ("", [ALICE.id])
        told = [line.getMessage() for line in lines]
        assert told == [f"revocations not written to the ConfigMap{end}" for end in ("", ": over")]

    run(scenario)


def test_what_changes_during_a_write_is_written_next() -> None:
    async def scenario(house: House) -> None:
        house.channel.want([ALICE])
        house.server.before_write.append(lambda: house.channel.want([ALICE, BOB]))
        await house.step()
        assert house.channel.standing == {ALICE.id}
        assert await house.step(FOLD_SECONDS) == 2
        assert house.channel.standing == {ALICE.id, BOB.id}

    run(scenario)


def test_a_record_that_changed_does_not_stand_there_yet() -> None:
    async def scenario(house: House) -> None:
        await house.step(0, ALICE, BOB)
        house.channel.want([record("alice", jti="x"), BOB])
        assert house.channel.standing == {BOB.id}
        assert house.channel.changed.is_set()

    run(scenario)


def test_wanting_the_same_again_changes_nothing() -> None:
    async def scenario(house: House) -> None:
        await house.step(0, ALICE)
        house.channel.changed.clear()
        house.channel.want([ALICE])
        assert not house.channel.changed.is_set()
        assert await house.step(1000) == 1

    run(scenario)


def test_what_does_not_fit_is_left_out_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "STORED_BYTES_MAX", 2_000)
    monkeypatch.setattr(module, "STORED_BYTES_MAX", 2_000)
    records: Sequence[RevocationRecord] = [record(f"user-{number:02}") for number in range(100)]

    async def scenario(house: House) -> None:
        with logged() as lines:
            await house.step(0, *records)
        left_out = house.metrics.registry.get_sample_value("wsgate_operator_records_left_out")
        assert left_out == 100 - len(house.channel.standing) and 0 < left_out < 100
        assert [line.getMessage() for line in lines] == ["revocations-left-out"]
        await house.step(FOLD_SECONDS, ALICE)
        assert house.metrics.registry.get_sample_value("wsgate_operator_records_left_out") == 0

    run(scenario)


def test_where_the_measure_was_too_small_fewer_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    class Optimist(StoredBytes):
        def of_records(self, records: Sequence[RevocationRecord]) -> int:
            return super().of_records(records) - 900

    monkeypatch.setattr(packed, "STORED_BYTES_MAX", 2_000)
    monkeypatch.setattr(module, "STORED_BYTES_MAX", 2_000)
    monkeypatch.setattr(module, "StoredBytes", Optimist)

    async def scenario(house: House) -> None:
        assert await house.step(0, *(record(f"user-{number:02}") for number in range(100))) == 1
        left_out = house.metrics.registry.get_sample_value("wsgate_operator_records_left_out")
        assert left_out == 100 - len(house.channel.standing) and 0 < left_out < 100
        assert house.channel.fault == ""

    run(scenario)


def test_a_clock_that_is_set_back_stops_no_write() -> None:
    async def scenario(house: House) -> None:
        assert await house.step(is_alone=True) == 1
        assert await house.step(-86_400, ALICE, is_alone=True) == 2

    run(scenario)
