"""The log in Redis as the operator uses it: it never raises, and what it knows outlasts a Redis that blinks."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.operator.sinks.revocation_log.conftest import server, shared_server
from tests.operator.sinks.revocation_log.house import (
    KEYS,
    NOW,
    ask,
    event,
    live_set,
    logged,
    members,
    push,
    waiting,
)
from tests.support.valkey import ValkeyServer, valkey
from wsgate_contract.revocation_log import LEASE_SECONDS, PodLease, member_of
from wsgate_operator.controller import log_channel as module
from wsgate_operator.controller.log_channel import LogChannel
from wsgate_operator.sinks.revocation_log.connect import connect
from wsgate_operator.telemetry.metrics import Metrics

__all__ = ["server", "shared_server"]
KICKED = event("kicked")


class House:
    """A channel with a clock that the test moves."""

    def __init__(self, channel: Callable[..., LogChannel]) -> None:
        self.now, self.metrics = NOW, Metrics()
        self.channel = channel(KEYS, lambda: self.now, self.metrics, "Refuse")

    def metric(self, name: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"wsgate_operator_{name}")


def run(server: ValkeyServer, scenario: Callable[[House], Awaitable[None]]) -> None:
    async def play() -> None:
        client = connect(server.url)
        house = House(lambda *rest: LogChannel(client, *rest))
        try:
            await scenario(house)
        finally:
            await house.channel.close()

    asyncio.run(play())


def lease(server: ValkeyServer, pod: str) -> None:
    ask(server, "SET", KEYS.pod(pod), PodLease(log_cursor="1-1", routes_version=3).model_dump_json())


def test_what_is_published_stands_and_is_known(server: ValkeyServer) -> None:
    async def scenario(house: House) -> None:
        assert house.channel.published is None
        assert await house.channel.publish(members("alice"))
        assert live_set(server) == members("alice") == house.channel.members
        assert house.metric("redis_up") == 1
        assert await house.channel.look([])
        assert ask(server, "EXISTS", KEYS.operator) == 1

    run(server, scenario)


def test_a_look_folds_the_inbox_and_lets_events_expire(server: ValkeyServer) -> None:
    async def scenario(house: House) -> None:
        await house.channel.publish(members("alice"))
        push(server, member_of(KICKED), "rubbish")
        await house.channel.look([])
        assert live_set(server) == members("alice") | {member_of(KICKED)}
        assert (waiting(server), house.channel.events) == ([], (KICKED,))
        assert (house.metric("event_records"), house.metric("inbox_refused_total")) == (1, 1)
        house.now += 2 * 3600
        await house.channel.look([])
        assert (live_set(server), house.channel.events) == (members("alice"), ())

    run(server, scenario)


def test_events_of_a_former_life_are_published(server: ValkeyServer) -> None:
    async def scenario(house: House) -> None:
        house.channel.restore([KICKED, event("over", int(NOW) - 3600)])
        await house.channel.publish(frozenset())
        assert live_set(server) == {member_of(KICKED)}

    run(server, scenario)


def test_a_lost_set_is_written_anew_and_counted(server: ValkeyServer) -> None:
    async def scenario(house: House) -> None:
        await house.channel.publish(members("alice"))
        ask(server, "FLUSHALL")
        assert await house.channel.look([])
        assert live_set(server) == members("alice")
        labels = {"why": "there is none"}
        found = house.metrics.registry.get_sample_value("wsgate_operator_redis_rewritten_total", labels)
        assert found == 2, "the first time counts too"

    run(server, scenario)


def test_leases_are_those_of_the_pods_that_are_named(server: ValkeyServer) -> None:
    async def scenario(house: House) -> None:
        lease(server, "pod-0")
        lease(server, "stranger")
        await house.channel.publish(frozenset())
        await house.channel.look(None)
        assert house.channel.leases is None, "nobody knows the pods yet"
        await house.channel.look(["pod-0", "pod-1"])
        assert house.channel.leases == {"pod-0": PodLease(log_cursor="1-1", routes_version=3)}
        assert house.metric("live_pods") == 1

    run(server, scenario)


def test_a_redis_that_blinks_is_told_once_and_takes_no_lease_along(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        lease(own, "pod-0")
        await house.channel.publish(members("alice"))
        await house.channel.look(["pod-0"])
        own.kill()
        for _ in range(3):
            assert not await house.channel.look(["pod-0"])
            assert not await house.channel.publish(members("alice", "bob"))
        assert (house.channel.published, house.metric("redis_up"), house.metric("live_pods")) == (None, 0, 0)
        assert house.channel.leases is not None and list(house.channel.leases) == ["pod-0"]
        house.now += LEASE_SECONDS
        assert house.channel.leases is None
        own.start()
        assert await house.channel.look(["pod-0"])
        assert live_set(own) == members("alice", "bob"), "what was wanted last"
        assert house.channel.leases == {}

    with valkey(tmp_path) as own, logged() as lines:
        run(own, scenario)
    told = [line.getMessage() for line in lines if line.getMessage().startswith("revocation-log-fault")]
    assert told == ["revocation-log-fault", "revocation-log-fault: over"]


def test_a_redis_that_may_evict_is_asked_again_until_it_may_not(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        assert not await house.channel.publish(members("alice"))
        assert not await house.channel.look([])
        assert live_set(own) == frozenset()
        ask(own, "CONFIG", "SET", "maxmemory-policy", "noeviction")
        assert await house.channel.look([])
        assert live_set(own) == members("alice")

    with valkey(tmp_path, ("--maxmemory-policy", "allkeys-lru")) as own, logged() as lines:
        run(own, scenario)
    told = [line.getMessage() for line in lines if line.getMessage().startswith("revocation-log-fault")]
    assert told == ["revocation-log-fault", "revocation-log-fault: over"]


def test_a_cancellation_that_the_library_loses_ends_the_look_all_the_same(
    server: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = asyncio.Event()

    async def deaf(*_: object) -> None:
        # As asyncio.wait_for() before Python 3.12 where an answer comes at the same time.
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return

    monkeypatch.setattr(module, "beat", deaf)

    async def scenario(house: House) -> None:
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(house.channel.look([]))
            await began.wait()
            task.cancel()
        assert task.cancelled()

    run(server, scenario)
