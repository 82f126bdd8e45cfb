"""Pods share budgets over a real Redis, and without it each has an equal part; none waits for it."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.loops import eventually, on_both_loops
from tests.support.valkey import ValkeyServer, valkey
from wsgate_dataplane.limits import sharing
from wsgate_dataplane.limits.budgets import Budget, Budgets
from wsgate_dataplane.limits.meter import SessionMeter
from wsgate_dataplane.limits.rates import Rate, Rates
from wsgate_dataplane.limits.sharing import Answer, Ask, Grant, Sharing, connect
from wsgate_dataplane.settings import SettingsError
from wsgate_dataplane.telemetry.metrics import Metrics

RATES = Rates(Rate(10, 30), None, closes=True)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ValkeyServer]:
    with valkey(tmp_path) as running:
        yield running


@pytest.fixture(autouse=True)
def short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "RETRY_SECONDS", 0.1)
    monkeypatch.setattr(sharing, "RENEW_SECONDS", 0.2)
    monkeypatch.setattr(sharing, "PRESENCE_SECONDS", 0.2)


class Pod:
    """One pod's budgets and their sharing, without the rest of a gateway."""

    def __init__(self, store: sharing.Store) -> None:
        loop = asyncio.get_running_loop()
        self.metrics = Metrics()
        self.budgets = Budgets(self.metrics, loop.time, knows_addresses=True)
        self.sharing = Sharing(store, self.budgets, self.metrics, loop.time, lambda: 0.0)

    def open(self, subject: str = "alice", rates: Rates = RATES) -> SessionMeter:
        return self.budgets.open(rates, "default/chat", "https://id", subject, "192.0.2.1")

    def value(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0

    @property
    def pods(self) -> float:
        return self.value("wsgate_rate_limit_pods")


@asynccontextmanager
async def running(url: str, *names: str) -> AsyncIterator[list[Pod]]:
    """Pods that know of each other."""
    pods = [Pod(connect(url, "wsgate", name)) for name in names]
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(pod.sharing.run()) for pod in pods]
        try:
            await eventually(lambda: all(pod.pods == len(names) for pod in pods))
            yield pods
        finally:
            for task in running:
                task.cancel()


def left(meter: SessionMeter) -> float:
    return meter.left()[0]


async def spend(meter: SessionMeter, most: int = 1000) -> int:
    """Send as much as the meter lets pass, and wait where it says so; how much passed before it said no."""
    passed = 0
    while passed < most:
        if left(meter) >= 1:
            meter.spend(1, 0)
            passed += 1
            continue
        due = meter.wait()
        if due is None:
            break
        await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
    return passed


@on_both_loops
async def test_a_subject_on_one_of_two_pods_has_its_whole_burst(server: ValkeyServer) -> None:
    async with running(server.url, "a", "b") as (first, _):
        assert 30 <= await spend(first.open()) <= 33


@on_both_loops
async def test_a_subject_on_two_pods_has_about_one_budget(server: ValkeyServer) -> None:
    async with running(server.url, "a", "b") as (first, second):
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with asyncio.TaskGroup() as tasks:
            spending = [tasks.create_task(spend(pod.open())) for pod in (first, second)]
        passed = sum(task.result() for task in spending)
        # What flowed in meanwhile, and what one pod may not have known of the other.
        assert 25 <= passed <= 30 + 10 * (loop.time() - began) + 15


@on_both_loops
async def test_what_one_pod_has_used_is_missing_to_the_other(server: ValkeyServer) -> None:
    async with running(server.url, "a", "b") as (first, second):
        assert await spend(first.open()) >= 29
        meter = second.open()
        meter.spend(1, 0)
        await eventually(lambda: second.pods == 2 and left(meter) < 10)
        assert await spend(meter) <= 15


@on_both_loops
async def test_an_unused_tab_elsewhere_does_not_halve_a_budget(server: ValkeyServer) -> None:
    async with running(server.url, "a", "b") as (first, second):
        idle, busy = second.open(), first.open()
        idle.spend(1, 0)
        assert await spend(busy) >= 20


@on_both_loops
async def test_a_long_throttled_run_over_two_pods_keeps_the_rate(server: ValkeyServer) -> None:
    rates = Rates(Rate(50, 1), None)
    async with running(server.url, "a", "b") as pods:
        loop = asyncio.get_running_loop()
        counts, until = [0, 0], loop.time() + 4

        async def send(number: int) -> None:
            meter = pods[number].open(rates=rates)
            while loop.time() < until:
                if left(meter) >= 1:
                    meter.spend(1, 0)
                    counts[number] += 1
                    continue
                due = meter.wait()
                assert due is not None
                await asyncio.sleep(max(0.0, due - loop.time()))
            meter.stop()

        async with asyncio.TaskGroup() as tasks:
            for number in range(2):
                tasks.create_task(send(number))
        assert 150 <= sum(counts) <= 260
        assert min(counts) >= 0.3 * max(counts)


@on_both_loops
async def test_defect_7_without_redis_the_limiter_does_not_fail_open(server: ValkeyServer) -> None:
    async with running(server.url, "a", "b") as (first, second):
        meters = [pod.open() for pod in (first, second)]
        for meter in meters:
            meter.spend(1, 0)
        server.kill()
        await eventually(lambda: first.pods == second.pods == 0)
        assert first.value("wsgate_rate_limit_redis_faults_total", cause="unreachable") >= 1
        for pod in (first, second):
            assert 15 <= await spend(pod.open("bob")) <= 18
        # A part that was granted before is given up, too.
        await eventually(lambda: not first.sharing._granted)
        assert left(meters[0]) <= 15
        server.start()
        await eventually(lambda: first.pods == second.pods == 2)


@on_both_loops
async def test_a_frozen_redis_holds_up_nobody(server: ValkeyServer) -> None:
    async with running(server.url, "a") as (pod,):
        server.freeze()
        try:
            async with asyncio.timeout(1):
                assert 30 <= await spend(pod.open()) <= 33
            await eventually(lambda: pod.pods == 0)
        finally:
            server.thaw()
        await eventually(lambda: pod.pods == 1)


class Scripted:
    """A store that notes what it is asked, for what Redis would do at random."""

    def __init__(self) -> None:
        self.calls: list[Sequence[Ask]] = []
        self.defect: Exception | None = None

    async def share(self, asks: Sequence[Ask]) -> Answer:
        self.calls.append(asks)
        if self.defect is not None:
            raise self.defect
        return Answer(4, [Grant(0.25, 30)] * len(asks))

    async def close(self) -> None: ...


@asynccontextmanager
async def scripted() -> AsyncIterator[tuple[Pod, Scripted]]:
    store = Scripted()
    pod = Pod(store)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(pod.sharing.run())
        await eventually(lambda: pod.pods == 4)
        try:
            yield pod, store
        finally:
            task.cancel()


@on_both_loops
async def test_no_message_asks_redis_and_what_is_asked_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "PAGE", 10)
    async with scripted() as (pod, store):
        meters = [pod.open(str(number), Rates(Rate(1e6, 1e6), Rate(1e9, 1e9))) for number in range(20)]
        before = len(store.calls)
        for _ in range(500):
            for meter in meters:
                meter.spend(1, 100)
        assert len(store.calls) == before
        await eventually(lambda: sum(len(call) for call in store.calls) == 40)
        calls = [call for call in store.calls if call]
        assert [len(call) for call in calls] == [10] * 4
        assert {ask.used for ask in calls[0]} == {500, 50_000}
        # What rests is not asked for again.
        await eventually(lambda: not store.calls[-1])


@on_both_loops
async def test_the_budget_of_one_connection_is_told_to_nobody() -> None:
    async with scripted() as (pod, store):
        own = Rates(Rate(10, 30), None, "Connection", closes=True)
        assert await spend(pod.open(rates=own)) == 30
        await eventually(lambda: len(store.calls) >= 3)
        assert not any(store.calls)


@on_both_loops
async def test_a_new_budget_begins_with_an_equal_part_and_asks_when_it_is_too_small() -> None:
    async with scripted() as (pod, store):
        meter = pod.open()
        meter.spend(1, 0)
        assert left(meter) <= 7.5
        meter.spend(7, 0)
        before = len([call for call in store.calls if call])
        assert meter.wait() is not None
        await eventually(lambda: len([call for call in store.calls if call]) > before)
        # The one that is too small wants all there is.
        assert next(call for call in reversed(store.calls) if call)[0].wanted == 10


@on_both_loops
async def test_a_defect_is_told_and_ends_nothing() -> None:
    async with scripted() as (pod, store):
        store.defect = KeyError("a defect")
        await eventually(lambda: pod.value("wsgate_rate_limit_redis_faults_total", cause="unexpected") >= 1)
        assert await spend(pod.open()) in (7, 8)
        store.defect = None
        await eventually(lambda: pod.pods == 4)


@on_both_loops
async def test_where_no_route_has_a_limit_redis_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    async with scripted() as (pod, store):
        looks, look = [0], pod.budgets.take_touched

        def counted() -> list[Budget]:
            looks[0] += 1
            return look()

        monkeypatch.setattr(pod.budgets, "take_touched", counted)
        pod.budgets.is_used = False
        before = len(store.calls)
        await eventually(lambda: looks[0] >= 4)
        assert len(store.calls) <= before + 1
        pod.budgets.is_used = True
        await eventually(lambda: len(store.calls) > before + 1)


def test_a_missing_package_is_told_with_the_extra_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("limits.redis_shares", "stores.redis_client"):
        monkeypatch.delitem(sys.modules, f"wsgate_dataplane.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(SettingsError, match=r"REDIS_URL: .*wsgate\[dataplane\]"):
        connect("redis://localhost", "wsgate", "pod-a")


def test_a_url_that_cannot_be_used_is_refused_without_being_shown() -> None:
    with pytest.raises(SettingsError, match="REDIS_URL: expected redis://") as caught:
        connect("http://s3cret@host", "wsgate", "pod-a")
    assert "s3cret" not in str(caught.value)
