"""The script on a real server: levels, shares by demand, and pods that come and go."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from tests.support.loops import on_both_loops
from tests.support.valkey import ValkeyServer, valkey
from wsgate_dataplane.limits.redis_shares import PART_MILLISECONDS, POD_MILLISECONDS, RedisShares
from wsgate_dataplane.limits.sharing import Ask, Grant
from wsgate_dataplane.stores.fault import Cause, RedisFault

RATE, BURST = 10.0, 30.0


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    with valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture
def server(running: ValkeyServer) -> ValkeyServer:
    with running.client() as client:
        client.flushall()
    return running


@asynccontextmanager
async def pods(server: ValkeyServer, *names: str) -> AsyncIterator[list[RedisShares]]:
    stores = [RedisShares(server.url, "wsgate", name) for name in names]
    try:
        yield stores
    finally:
        for store in stores:
            await store.close()


def ask(used: float = 0, wanted: float = 0, name: str = "a", rate: float = RATE, burst: float = BURST) -> Ask:
    return Ask(name, rate, burst, used, wanted)


async def grant(store: RedisShares, used: float = 0, wanted: float = 0, rate: float = RATE) -> Grant:
    return (await store.share([ask(used, wanted, rate=rate)])).grants[0]


@on_both_loops
async def test_pods_are_counted_while_they_call(server: ValkeyServer) -> None:
    async with pods(server, "a", "b") as (first, second):
        assert (await first.share([])).pods == 1
        assert (await second.share([])).pods == 2
        with server.client() as client:
            assert 0 < client.pttl("{wsgate}:rate:pods") <= POD_MILLISECONDS
            client.zadd("{wsgate}:rate:pods", {"a": 1})
        assert (await second.share([])).pods == 1


@on_both_loops
async def test_who_draws_alone_has_all_and_the_level_follows_its_use(server: ValkeyServer) -> None:
    async with pods(server, "a") as (store,):
        assert await grant(store, rate=0.01) == Grant(1.0, BURST)
        assert (await grant(store, used=25, rate=0.01)).level == pytest.approx(5, abs=0.1)
        assert (await grant(store, used=25, rate=0.01)).level == pytest.approx(-20, abs=0.1)


@on_both_loops
async def test_the_level_rises_by_the_rate(server: ValkeyServer) -> None:
    async with pods(server, "a") as (store,):
        await grant(store, used=30, rate=0.01)
        with server.client() as client:
            key = "{wsgate}:rate:a"
            client.hset(key, "since", str(int(str(client.hget(key, "since"))) - 1_500_000))
        assert (await grant(store, rate=0.01)).level == pytest.approx(15, abs=0.1)


@on_both_loops
async def test_parts_follow_what_is_wanted_and_make_one_whole(server: ValkeyServer) -> None:
    async with pods(server, "a", "b", "c") as (first, second, third):
        assert (await grant(first, wanted=10)).share == 1
        assert (await grant(second, wanted=10)).share == 0.5
        # Who wants nothing keeps a little.
        idle = await grant(third)
        assert idle.share == pytest.approx(1 / 61, abs=0.001)
        shares = [
            (await grant(first, wanted=10)).share,
            (await grant(second, wanted=2)).share,
            (await grant(third)).share,
        ]
        shares[0] = (await grant(first, wanted=10)).share
        assert sum(shares) == pytest.approx(1, abs=0.01)
        assert shares[0] > 0.8


@on_both_loops
async def test_a_pod_that_asks_no_more_leaves_its_part_to_the_others(server: ValkeyServer) -> None:
    async with pods(server, "a", "b") as (first, second):
        await grant(first, wanted=10)
        assert (await grant(second, wanted=10)).share == 0.5
        with server.client() as client:
            client.hset("{wsgate}:rate:a", "pod:a", "10.000000 1")
        assert (await grant(second, wanted=10)).share == 1
        with server.client() as client:
            assert not client.hexists("{wsgate}:rate:a", "pod:a")


@on_both_loops
async def test_a_budget_is_forgotten_when_it_is_full_and_nobody_asks(server: ValkeyServer) -> None:
    async with pods(server, "a") as (store,):
        await grant(store)
        with server.client() as client:
            assert 0 < client.pttl("{wsgate}:rate:a") <= PART_MILLISECONDS
            await grant(store, used=30)
            assert PART_MILLISECONDS < client.pttl("{wsgate}:rate:a") <= PART_MILLISECONDS + 3000


@on_both_loops
async def test_what_was_used_while_redis_was_away_is_no_debt_in_a_new_one(server: ValkeyServer) -> None:
    async with pods(server, "a") as (store,):
        assert (await grant(store, used=100_000)).level == 0


@on_both_loops
async def test_many_budgets_go_in_one_call_and_keep_their_order(server: ValkeyServer) -> None:
    asks = [ask(used=number, name=str(number), burst=1000) for number in range(100)]
    async with pods(server, "a") as (store,):
        answer = await store.share(asks)
    assert [each.level for each in answer.grants] == pytest.approx([1000 - number for number in range(100)])


@pytest.mark.parametrize(
    "field",
    [
        {"level": "x"},
        {"since": "x"},
        {"pod:b": "x"},
        {"pod:b": "nan 9e99"},
        {"level": "inf"},
        {"level": "nan"},
        {"pod:b": ""},
    ],
)
@on_both_loops
async def test_rubbish_in_redis_hurts_at_most_its_own_budget(server: ValkeyServer, field: dict[str, str]) -> None:
    with server.client() as client:
        client.hset("{wsgate}:rate:a", mapping=field)
    async with pods(server, "a") as (store,):
        answer = await store.share([ask(), ask(name="b")])
        assert answer.grants[1] == Grant(1.0, BURST)
        first = answer.grants[0]
        assert 0.9 <= first.share <= 1
        assert first.level == BURST


@on_both_loops
async def test_the_rights_that_the_reference_lists_are_enough_and_needed(server: ValkeyServer) -> None:
    rights = "~{wsgate}:rate:* +eval +time +zadd +zremrangebyscore +zcard +hgetall +hset +hdel +pexpire"
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "rates", "on", ">pw", "resetchannels", "-@all", *rights.split())
        client.execute_command("ACL", "SETUSER", "bare", "on", ">pw", "~*", "-@all", "+eval")
    for user, works in (("rates", True), ("bare", False)):
        store = RedisShares(f"redis://{user}:pw@127.0.0.1:{server.port}/0", "wsgate", "a")
        try:
            if works:
                assert (await store.share([ask()])).grants
            else:
                with pytest.raises(RedisFault):
                    await store.share([ask()])
        finally:
            await store.close()


@on_both_loops
async def test_a_redis_that_is_away_is_a_fault_that_names_its_setting(server: ValkeyServer) -> None:
    store = RedisShares("redis://127.0.0.1:1/0", "wsgate", "a")
    async with asyncio.timeout(5):
        with pytest.raises(RedisFault, match="REDIS_URL") as caught:
            await store.share([])
        await store.close()
    assert caught.value.cause is Cause.UNREACHABLE
    assert "WSGATE" not in str(caught.value)
