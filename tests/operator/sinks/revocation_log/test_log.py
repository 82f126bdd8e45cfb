"""Whatever happens to Redis, set and log become again what is wanted, and readers of the log with them."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.operator.sinks.revocation_log.faulty import Disturbed, Frozen, Killing
from tests.operator.sinks.revocation_log.house import (
    KEYS,
    NOW,
    Reader,
    Writer,
    admin,
    ask,
    assert_sound,
    event,
    head,
    live_set,
    logged,
    members,
    push,
    record,
    waiting,
    writing,
)
from tests.support.loops import on_both_loops
from tests.support.valkey import ValkeyServer, valkey
from wsgate_contract.revocation_log import LogEntry, member_of
from wsgate_operator.sinks.revocation_log.fault import Reason, RevocationLogError
from wsgate_operator.sinks.revocation_log.log import ATTEMPTS_MAX, FULL_CHECK_SECONDS, RevocationLog
from wsgate_operator.sinks.revocation_log.plan import CHANGES_MAX, Damage

A, B, C = (next(iter(members(name))) for name in "abc")


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[ValkeyServer]:
    """One that the test may kill or configure."""
    with valkey(tmp_path) as server:
        yield server


@on_both_loops
async def test_the_first_publish_writes_all_and_the_next_only_the_difference(server: ValkeyServer) -> None:
    async with writing(server) as writer:
        first = await writer.log.publish({A, B})
        reader = Reader(server)
        reader.load()
        second = await writer.log.publish({B, C})
    assert (first.damage, first.count, second.damage, second.changes) == (Damage.EMPTY, 2, None, 2)
    assert (second.epoch, second.cursor) == (first.epoch, head(server)[0])
    assert_sound(server, frozenset({B, C}))
    assert (reader.follow(), reader.members) == (2, frozenset({B, C}))


@on_both_loops
async def test_publishing_the_same_again_writes_nothing(server: ValkeyServer) -> None:
    async with writing(server) as writer:
        first = await writer.log.publish({A})
        again = await writer.log.publish({A})
    assert (again.changes, again.cursor) == (0, first.cursor)
    assert head(server)[0] == first.cursor


@on_both_loops
async def test_an_empty_set_is_published_as_such(server: ValkeyServer) -> None:
    async with writing(server) as writer:
        assert (await writer.log.publish(set())).count == 0
        assert_sound(server, frozenset())
        await writer.log.publish({A})
        assert (await writer.log.publish(set())).changes == 1
    assert_sound(server, frozenset())


@on_both_loops
async def test_a_changed_record_is_never_missing_for_a_reader(server: ValkeyServer) -> None:
    before, after = member_of(record("a")), member_of(record("a", expires_at=int(NOW) + 60))
    async with writing(server) as writer:
        await writer.log.publish({before})
        await writer.log.publish({after})
    with server.client() as client:
        changes = [LogEntry.from_fields(fields).change for _, fields in client.xrange(KEYS.log)]
    assert changes == ["reset", "add", "remove"]
    assert_sound(server, frozenset({after}))


@on_both_loops
async def test_a_restarted_operator_builds_on_what_is_there(server: ValkeyServer) -> None:
    async with writing(server) as writer:
        first = await writer.log.publish({A, B})
    async with writing(server) as restarted:
        second = await restarted.log.publish({B, C})
    assert (second.epoch, second.damage, second.changes) == (first.epoch, None, 2)
    assert_sound(server, frozenset({B, C}))


@on_both_loops
async def test_each_write_wakes_the_pods(server: ValkeyServer) -> None:
    async with writing(server) as writer, writer.client.pubsub() as pubsub:
        await pubsub.subscribe(KEYS.wake)
        await writer.log.publish({A})
        seen = [await pubsub.get_message(timeout=5) for _ in range(2)]
    assert [message and message["type"] for message in seen] == ["subscribe", "message"]


@on_both_loops
async def test_a_big_change_comes_in_transactions_of_a_bounded_size(server: ValkeyServer) -> None:
    many = members(*(f"user{number}" for number in range(2 * CHANGES_MAX + 1)))
    async with writing(server) as writer:
        await writer.log.publish({A})
        reader = Reader(server)
        reader.load()
        published = await writer.log.publish(many)
    assert published.changes == len(many) + 1
    assert_sound(server, many)
    assert (reader.follow(), reader.members) == (len(many) + 1, many)


@on_both_loops
async def test_a_reader_that_fell_behind_a_trimmed_log_finds_all_in_the_set(server: ValkeyServer) -> None:
    async with writing(server) as writer:
        await writer.log.publish({A})
        await writer.log.publish({A, B})
        ask(server, "XTRIM", KEYS.log, "MAXLEN", "1")
        assert (await writer.log.verify()).damage is None
        ask(server, "XTRIM", KEYS.log, "MAXLEN", "0")
        assert (await writer.log.verify()).damage is Damage.NO_LOG
    assert_sound(server, frozenset({A, B}))


LOSSES = {
    "flushed": (["FLUSHALL"], Damage.EMPTY),
    "set evicted": (["DEL", KEYS.revocations], Damage.NO_SET),
    "log evicted": (["DEL", KEYS.log], Damage.NO_LOG),
    "record removed": (["ZREM", KEYS.revocations, A], Damage.MISMATCH),
    "foreign record": (["ZADD", KEYS.revocations, "1", "foreign"], Damage.MISMATCH),
    "foreign epoch": (["ZADD", KEYS.revocations, "1", "epoch:other"], Damage.EPOCH),
    "foreign entry": (["XADD", KEYS.log, "*", "some", "thing"], Damage.FOREIGN),
    "set overwritten": (["SET", KEYS.revocations, "x"], Damage.FOREIGN),
    "log overwritten": (["SET", KEYS.log, "x"], Damage.FOREIGN),
}


@pytest.mark.parametrize("loss", LOSSES)
@on_both_loops
async def test_every_loss_is_noticed_and_put_right_by_the_next_look(server: ValkeyServer, loss: str) -> None:
    command, damage = LOSSES[loss]
    async with writing(server) as writer:
        before = await writer.log.publish({A, B})
        ask(server, *command)
        after = await writer.log.verify()
        again = await writer.log.verify()
    assert (after.damage, after.epoch == before.epoch, after.count) == (damage, False, 2)
    assert (again.damage, again.epoch) == (None, after.epoch)
    assert_sound(server, frozenset({A, B}))


@pytest.mark.parametrize("loss", LOSSES)
@on_both_loops
async def test_every_loss_is_put_right_by_the_next_publish_too(server: ValkeyServer, loss: str) -> None:
    async with writing(server) as writer:
        await writer.log.publish({A, B})
        ask(server, *LOSSES[loss][0])
        assert (await writer.log.publish({A, C})).damage is LOSSES[loss][1]
    assert_sound(server, frozenset({A, C}))


@on_both_loops
async def test_a_replaced_record_is_found_by_the_full_comparison(server: ValkeyServer) -> None:
    async with writing(server) as writer:
        await writer.log.publish({A, B})
        ask(server, "ZREM", KEYS.revocations, A)
        ask(server, "ZADD", KEYS.revocations, "+inf", C)
        assert (await writer.log.verify()).damage is None
        writer.now += FULL_CHECK_SECONDS
        assert (await writer.log.verify()).damage is Damage.MISMATCH
    assert_sound(server, frozenset({A, B}))


@on_both_loops
async def test_bytes_that_are_no_text_do_not_stop_the_writer(server: ValkeyServer) -> None:
    async with writing(server) as writer:
        await writer.log.publish({A})
        with server.client() as client:
            client.zadd(KEYS.revocations, {b"\xff\xfe": 1.0})
        assert (await writer.log.verify()).damage is Damage.MISMATCH
    assert_sound(server, frozenset({A}))


@on_both_loops
async def test_a_server_that_comes_back_empty_is_filled_again(own_server: ValkeyServer) -> None:
    async with writing(own_server) as writer:
        await writer.log.publish({A, B})
        own_server.kill()
        with pytest.raises(RevocationLogError) as lost:
            await writer.log.verify()
        assert lost.value.reason is Reason.UNREACHABLE
        own_server.start()
        assert (await writer.log.verify()).damage is Damage.EMPTY
    assert_sound(own_server, frozenset({A, B}))


@on_both_loops
async def test_a_failed_publish_is_made_up_for_by_the_next_look(own_server: ValkeyServer) -> None:
    async with writing(own_server) as writer:
        await writer.log.publish({A})
        own_server.kill()
        with pytest.raises(RevocationLogError):
            await writer.log.publish({A, B})
        own_server.start()
        assert (await writer.log.verify()).count == 2
    assert_sound(own_server, frozenset({A, B}))


@on_both_loops
async def test_acknowledged_changes_that_a_failover_lost_are_written_anew(server: ValkeyServer) -> None:
    async with writing(server) as writer:
        await writer.log.publish({A})
        saved = {key: _dump(server, key) for key in (KEYS.revocations, KEYS.log)}
        await writer.log.publish({A, B})
        for key, value in saved.items():
            _restore(server, key, value)
        assert (await writer.log.verify()).damage is Damage.ROLLED_BACK
    assert_sound(server, frozenset({A, B}))


def _dump(server: ValkeyServer, key: str) -> bytes:
    with redis.Redis(port=server.port) as client:
        value = client.dump(key)
        assert isinstance(value, bytes)
        return value


def _restore(server: ValkeyServer, key: str, value: bytes) -> None:
    with server.client() as client:
        client.restore(key, 0, value, replace=True)


@on_both_loops
async def test_two_operators_that_want_the_same_leave_each_other_alone(server: ValkeyServer) -> None:
    async with writing(server) as one, writing(server) as other:
        await one.log.publish({A})
        await other.log.publish({A, B})
        taken = await one.log.publish({A, B})
        cursor, _ = head(server)
        for writer in (one, other, one, other):
            assert (await writer.log.verify()).damage is None
    assert (taken.damage, taken.changes) == (None, 0)
    assert head(server)[0] == cursor


@on_both_loops
async def test_two_operators_that_race_never_leave_set_and_log_apart(server: ValkeyServer) -> None:
    wishes = [members(*(f"u{number}" for number in range(start, start + 5))) for start in range(20)]
    async with writing(server) as one, writing(server) as other:

        async def publish(writer: Writer, wish: frozenset[str]) -> None:
            try:
                await writer.log.publish(wish)
            except RevocationLogError as error:
                assert error.reason is Reason.CONTENDED

        for wish, counter in zip(wishes, reversed(wishes), strict=True):
            await asyncio.gather(publish(one, wish), publish(other, counter))
            assert_sound(server, live_set(server))
        await one.log.publish({A})
    assert_sound(server, frozenset({A}))


@on_both_loops
async def test_a_change_between_reading_and_writing_makes_it_read_again(server: ValkeyServer) -> None:
    async with writing(server) as writer:
        await writer.log.publish({A})
        disturbing = RevocationLog(Disturbed(writer, server), KEYS, lambda: NOW)  # type: ignore[arg-type]  # injects a fault
        published = await disturbing.publish({A, B})
    assert published.damage is Damage.EMPTY
    assert_sound(server, frozenset({A, B}))


@on_both_loops
async def test_a_writer_that_is_always_disturbed_gives_up(server: ValkeyServer) -> None:
    async with writing(server) as writer:
        disturbed = Disturbed(writer, server, ATTEMPTS_MAX)
        log = RevocationLog(disturbed, KEYS, lambda: NOW)  # type: ignore[arg-type]  # injects a fault
        with pytest.raises(RevocationLogError) as given_up:
            await log.publish({A})
    assert given_up.value.reason is Reason.CONTENDED
    assert disturbed.times == 0


@on_both_loops
async def test_settled_texts_leave_the_inbox_and_later_ones_stay(server: ValkeyServer) -> None:
    first, second = member_of(event("first")), member_of(event("second"))
    push(server, first)
    async with writing(server) as writer:
        await writer.log.publish({A, first}, settled=[first])
        assert waiting(server) == []
        push(server, second)
        # A repetition, as after an answer that was lost, takes nothing away.
        await writer.log.publish({A, first}, settled=[first])
    assert waiting(server) == [second]
    assert_sound(server, frozenset({A, first}))


@on_both_loops
async def test_rubbish_leaves_the_inbox_although_nothing_else_changes(server: ValkeyServer) -> None:
    push(server, "rubbish")
    async with writing(server) as writer:
        await writer.log.publish({A})
        cursor, _ = head(server)
        await writer.log.publish({A}, settled=["rubbish"])
    assert waiting(server) == []
    assert head(server)[0] == cursor


@on_both_loops
async def test_the_inbox_is_trimmed_only_by_the_last_of_several_transactions(server: ValkeyServer) -> None:
    sent = [member_of(event(f"e{number}")) for number in range(CHANGES_MAX + 1)]
    push(server, *sent)
    async with writing(server) as writer:
        await writer.log.publish({A})
        log = RevocationLog(Killing(writer, server, after=1), KEYS, lambda: NOW)  # type: ignore[arg-type]  # injects a fault
        with pytest.raises(RevocationLogError):
            await log.publish({A, *sent}, settled=sent)
        assert waiting(server) == sent
        await log.publish({A, *sent}, settled=sent)
    assert waiting(server) == []
    assert_sound(server, frozenset({A, *sent}))


@on_both_loops
async def test_an_event_in_force_stays_although_the_caller_forgot_it(server: ValkeyServer) -> None:
    live, over = event("live"), event("over", expires_at=int(NOW) + 1)
    async with writing(server) as writer:
        await writer.log.publish({A, member_of(live), member_of(over)})
    async with writing(server) as restarted:
        restarted.now += 1000
        published = await restarted.log.publish({B})
        assert published.events == (live,)
        assert_sound(server, frozenset({B, member_of(live)}))
        restarted.now += 3600
        assert (await restarted.log.publish({B})).events == ()
    assert_sound(server, frozenset({B}))


@on_both_loops
async def test_events_survive_also_in_a_damaged_set(server: ValkeyServer) -> None:
    live = event("live")
    async with writing(server) as writer:
        await writer.log.publish({A, member_of(live)})
    ask(server, "SET", KEYS.log, "x")
    async with writing(server) as restarted:
        published = await restarted.log.publish({B})
    assert (published.damage, published.events) == (Damage.FOREIGN, (live,))
    assert_sound(server, frozenset({B, member_of(live)}))


@on_both_loops
async def test_a_frozen_server_is_given_up_soon_and_nothing_is_lost(own_server: ValkeyServer) -> None:
    async with writing(own_server) as writer:
        await writer.log.publish({A})
        own_server.freeze()
        for call in (writer.log.publish({A, B}), writer.log.verify()):
            began = time.monotonic()
            with pytest.raises(RevocationLogError) as silent:
                await call
            assert silent.value.reason is Reason.TIMED_OUT
            assert time.monotonic() - began < 4
        own_server.thaw()
        assert (await writer.log.verify()).count == 2
    assert_sound(own_server, frozenset({A, B}))


@on_both_loops
async def test_a_write_whose_answer_was_lost_is_not_repeated(own_server: ValkeyServer) -> None:
    async with writing(own_server) as writer:
        await writer.log.publish({A})
        log = RevocationLog(Frozen(writer, own_server), KEYS, lambda: NOW)  # type: ignore[arg-type]  # injects a fault
        with pytest.raises(RevocationLogError) as silent:
            await log.publish({A, B})
        assert silent.value.reason is Reason.TIMED_OUT
        own_server.thaw()
        assert (await log.verify()).damage is None
        # Whether it was applied late or written again, once.
        reader = Reader(own_server)
        assert (reader.follow(), reader.members) == (2, frozenset({A, B}))
    assert_sound(own_server, frozenset({A, B}))


REFUSALS = {
    "memory": (["CONFIG", "SET", "maxmemory", "1"], ["CONFIG", "SET", "maxmemory", "0"], Reason.OUT_OF_MEMORY),
    "replicas": (
        ["CONFIG", "SET", "min-replicas-to-write", "1"],
        ["CONFIG", "SET", "min-replicas-to-write", "0"],
        Reason.NO_REPLICAS,
    ),
    "replica": (["REPLICAOF", "127.0.0.1", "1"], ["REPLICAOF", "NO", "ONE"], Reason.READ_ONLY),
    "rights": (
        ["ACL", "SETUSER", "default", "-zadd"],
        ["ACL", "SETUSER", "default", "+zadd"],
        Reason.PERMISSION,
    ),
}


@pytest.mark.parametrize("refusal", REFUSALS)
@on_both_loops
async def test_what_a_server_refused_is_written_once_it_accepts(own_server: ValkeyServer, refusal: str) -> None:
    begin, end, reason = REFUSALS[refusal]
    async with writing(own_server) as writer:
        await writer.log.publish({A})
        ask(own_server, *begin)
        with pytest.raises(RevocationLogError) as refused:
            await writer.log.publish({A, B})
        assert refused.value.reason is reason
        assert live_set(own_server) == {A}
        ask(own_server, *end)
        assert (await writer.log.verify()).count == 2
    assert_sound(own_server, frozenset({A, B}))


@on_both_loops
async def test_the_operators_user_needs_no_more_than_these_rights(own_server: ValkeyServer) -> None:
    rights = (
        "~{wsgate}:* &{wsgate}:wake -@all +watch +unwatch +multi +exec +type +zrange +zcard +zscore +zadd +zrem"
    )
    rights += " +xrevrange +xadd +del +publish +lrange +llen +lrem +set +mget +info"
    ask(own_server, "ACL", "SETUSER", "operator", "on", ">secret", "resetchannels", *rights.split())
    ask(own_server, "CONFIG", "SET", "requirepass", "admin")
    text = member_of(event("e"))
    with admin(own_server, "admin") as client:
        client.rpush(KEYS.inbox, text)
    async with writing(own_server, f"redis://operator:secret@127.0.0.1:{own_server.port}/0") as writer:
        await writer.log.publish({A})
        await writer.log.publish({B, text}, settled=[text])
        writer.now += FULL_CHECK_SECONDS
        assert (await writer.log.verify()).count == 2


@on_both_loops
async def test_a_set_written_anew_is_told_in_the_log(server: ValkeyServer) -> None:
    with logged() as lines:
        async with writing(server) as writer:
            await writer.log.publish({A})
            ask(server, "DEL", KEYS.revocations)
            await writer.log.verify()
            await writer.log.verify()
    told = [(line.levelname, line.__dict__["fields"]["why"]) for line in lines]
    assert told == [("INFO", "there is none"), ("WARNING", "the set is gone")]


@on_both_loops
async def test_calls_at_the_same_time_wait_for_one_another(server: ValkeyServer) -> None:
    async with writing(server) as writer:
        await writer.log.publish({A})
        wishes = [writer.log.publish({A, *members(f"u{number}")}) for number in range(10)]
        answers = await asyncio.gather(*wishes, *(writer.log.verify() for _ in range(10)))
    assert {answer.damage for answer in answers} == {None}
    assert_sound(server, frozenset({A}) | members("u9"))


@on_both_loops
async def test_verifying_before_anything_was_published_is_a_defect(server: ValkeyServer) -> None:
    async with writing(server) as writer:
        with pytest.raises(RuntimeError, match="publish"):
            await writer.log.verify()
