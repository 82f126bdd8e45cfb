"""Reading under WATCH, and writing set, log and inbox at once."""

import pytest

from tests.operator.sinks.revocation_log.house import (
    KEYS,
    NOW,
    ask,
    assert_sound,
    head,
    live_set,
    members,
    scores,
    writing,
)
from tests.support.loops import on_both_loops
from tests.support.valkey import ValkeyServer
from wsgate_contract.revocation_log import LOG_ENTRIES_MAX
from wsgate_operator.sinks.revocation_log.connect import bounded
from wsgate_operator.sinks.revocation_log.fault import Reason, RevocationLogError
from wsgate_operator.sinks.revocation_log.plan import Damage, Found, State, judge, next_write, rewrite
from wsgate_operator.sinks.revocation_log.transaction import (
    MEMBERS_IN_COMMAND,
    commit,
    is_as_known,
    read_found,
)

NOTHING = Found([], None, None)


@on_both_loops
async def test_a_set_larger_than_one_command_is_written_in_one_transaction(server: ValkeyServer) -> None:
    wanted = members(*(f"u{number}" for number in range(MEMBERS_IN_COMMAND + 1)))
    async with writing(server) as writer, writer.client.pipeline() as pipe:
        await commit(pipe, KEYS, rewrite(NOTHING, Damage.EMPTY, wanted, NOW, "e1"), ())
    assert_sound(server, wanted)


@on_both_loops
async def test_what_was_written_is_found_again(server: ValkeyServer) -> None:
    async with writing(server) as writer:
        async with writer.client.pipeline() as pipe:
            await pipe.watch(KEYS.revocations)
            assert await read_found(pipe, KEYS) == NOTHING
            cursor = await commit(pipe, KEYS, rewrite(NOTHING, Damage.EMPTY, members("a"), NOW, "e1"), ())
        async with writer.client.pipeline() as pipe:
            await pipe.watch(KEYS.revocations)
            state = judge(await read_found(pipe, KEYS), None)
        assert isinstance(state, State)
        assert (state.members, state.cursor) == (members("a"), cursor)
        assert await is_as_known(writer.client, KEYS, state, whole=False)
        assert await is_as_known(writer.client, KEYS, state, whole=True)


@on_both_loops
async def test_a_change_since_the_reading_refuses_the_whole_transaction(server: ValkeyServer) -> None:
    async with writing(server) as writer:
        published = await writer.log.publish(members("a"))
        state = State(published.epoch, members("a"), head(server)[1].digest, published.cursor)
        with pytest.raises(RevocationLogError) as refused:
            async with bounded(5), writer.client.pipeline() as pipe:
                await pipe.watch(KEYS.revocations, KEYS.log)
                ask(server, "ZADD", KEYS.revocations, "1", "foreign")
                await commit(pipe, KEYS, next_write(state, members("b"), NOW), ["text"])
    assert refused.value.reason is Reason.CONTENDED
    assert live_set(server) == members("a") | {"foreign"}
    assert head(server)[0] == published.cursor


@on_both_loops
async def test_the_log_is_kept_short_while_it_is_written(server: ValkeyServer) -> None:
    with server.client() as client:
        pipe = client.pipeline()
        for _ in range(LOG_ENTRIES_MAX + 500):
            pipe.xadd(KEYS.log, {"x": "y"})
        pipe.execute()
    async with writing(server) as writer:
        await writer.log.publish(members("a"))
        await writer.log.publish(members("a", "b"))
    assert ask(server, "XLEN", KEYS.log) <= LOG_ENTRIES_MAX + 100
    assert len(scores(server)) == 3
