"""What enters at a pod counts at all of them, is never lost, and holds up nobody."""

import time
from typing import Any

import pytest

from tests.dataplane.revocation.pod import Pod, confirmed_anew, following
from tests.dataplane.revocation.publisher import (
    GATEWAY,
    KEYS,
    Publisher,
    event,
    record,
)
from tests.support.loops import eventually, on_both_loops
from tests.support.valkey import ValkeyServer
from wsgate_contract.revocation_log import member_of
from wsgate_dataplane.revocation import redis_channel
from wsgate_dataplane.revocation.redis_channel import connect
from wsgate_dataplane.stores.fault import Cause, RedisFault

ALICE, BOB, CAROL = record("alice"), record("bob"), record("carol")


@on_both_loops
async def test_what_enters_at_one_pod_counts_at_another_without_an_operator(
    server: ValkeyServer, operator: Publisher
) -> None:
    async with following(server.url) as pod, following(server.url, "pod-b") as other:
        await eventually(lambda: pod.channel.is_loaded and other.channel.is_loaded)
        mallory = event("mallory")
        began = time.monotonic()
        await pod.channel.append(mallory)
        await eventually(lambda: other.channels_of(mallory) == ("inbox",))
        assert time.monotonic() - began < redis_channel.POLL_SECONDS / 2
        await eventually(lambda: pod.channels_of(mallory) == ("inbox",))
        operator.add(mallory, fold=1)
        await eventually(lambda: other.channels_of(mallory) == pod.channels_of(mallory) == ("redis",))
        assert [each.subject for each in other.added] == ["alice", "mallory"]


@on_both_loops
async def test_an_inbox_that_vanished_is_kept_and_repeated_in_the_next_epoch(
    server: ValkeyServer, operator: Publisher
) -> None:
    mallory = event("mallory")
    async with following(server.url) as pod:
        await eventually(lambda: pod.channel.is_loaded)
        await pod.channel.append(mallory)
        await eventually(lambda: pod.channels_of(mallory) == ("inbox",))
        operator.client.flushall()
        await eventually(lambda: pod.faults("log-missing") > 0)
        assert pod.channels_of(mallory) == ("inbox",)
        operator.republish()
        await eventually(lambda: operator.client.lrange(KEYS.inbox, 0, -1) == [member_of(mallory)])
        await confirmed_anew(pod)
        assert operator.client.llen(KEYS.inbox) == 1


@on_both_loops
async def test_an_event_is_let_go_when_it_is_over(server: ValkeyServer, operator: Publisher) -> None:
    soon, past = event("soon", expires_at=int(time.time()) + 2), event("past", expires_at=1)
    operator.client.rpush(KEYS.inbox, member_of(soon), member_of(past))
    async with following(server.url) as pod:
        await eventually(lambda: pod.subjects == {"alice", "soon"})
        await eventually(lambda: pod.subjects == {"alice"})


@on_both_loops
async def test_rubbish_in_the_inbox_holds_up_nobody(server: ValkeyServer, operator: Publisher) -> None:
    eternal = member_of(record("eternal", "event:1"))
    rubbish: list[str | bytes] = [
        b"\xff\xfe",
        "{}",
        "x" * 20_000,
        eternal,
        member_of(record("object", expires_at=4_000_000_000)),
    ]
    operator.client.rpush(KEYS.inbox, *rubbish, member_of(event("mallory")))
    async with following(server.url) as pod:
        await eventually(lambda: pod.channel.is_loaded)
        assert pod.subjects == {"alice", "mallory"}


@on_both_loops
async def test_a_record_that_cannot_be_read_is_not_confirmed_away(
    server: ValkeyServer, operator: Publisher
) -> None:
    strange = '{"id":"shop/x","matcherOfTomorrow":"y"}'
    async with following(server.url) as pod:
        await eventually(lambda: pod.channel.is_loaded)
        operator.members.add(strange)
        operator.client.zadd(KEYS.revocations, {strange: 1})
        operator.log_only("add", strange)
        await eventually(lambda: pod.faults("unreadable") > 0)
        operator.add(BOB)
        await eventually(lambda: pod.subjects == {"alice", "bob"})
        moment = time.time()
        async with following(server.url, "newcomer") as newcomer:
            await eventually(lambda: newcomer.faults("unreadable") > 0)
            assert newcomer.subjects == {"alice", "bob"}
            assert not newcomer.channel.is_loaded
        assert not pod.is_confirmed_since(moment)
        operator.members.discard(strange)
        operator.client.zrem(KEYS.revocations, strange)
        operator.log_only("remove", strange)
        await confirmed_anew(pod)


@on_both_loops
async def test_an_append_is_answered_only_when_redis_has_it(server: ValkeyServer, operator: Publisher) -> None:
    async with following(server.url) as pod:
        await eventually(lambda: pod.channel.is_loaded)
        server.freeze()
        try:
            with pytest.raises(RedisFault) as slow:
                await pod.channel.append(event("mallory"))
        finally:
            server.thaw()
        assert slow.value.cause is Cause.TIMED_OUT
        server.kill()
        with pytest.raises(RedisFault) as gone:
            await pod.channel.append(event("mallory"))
        assert gone.value.cause is Cause.UNREACHABLE
        server.start()
        mallory = event("mallory")
        await pod.channel.append(mallory)
        assert operator.client.lrange(KEYS.inbox, 0, -1) == [member_of(mallory)]


@pytest.mark.parametrize("refused", [record("object", expires_at=4_000_000_000), record("eternal", "event:1")])
@on_both_loops
async def test_nothing_but_an_event_with_an_expiry_enters_at_a_pod(server: ValkeyServer, refused: Any) -> None:
    pod = Pod(connect(server.url, GATEWAY, "pod-a"))
    with pytest.raises(ValueError, match="event:"):
        await pod.channel.append(refused)


@on_both_loops
async def test_a_full_inbox_refuses_more(
    server: ValkeyServer, operator: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_channel, "INBOX_RECORDS_MAX", 2)
    operator.client.rpush(KEYS.inbox, member_of(event("a")), member_of(event("b")))
    async with following(server.url) as pod:
        await eventually(lambda: pod.channel.is_loaded)
        with pytest.raises(RedisFault) as full:
            await pod.channel.append(event("c"))
        assert full.value.cause is Cause.INBOX_FULL
