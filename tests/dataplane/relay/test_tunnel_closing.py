"""How the two connections of a session end, whoever ends them."""

import asyncio
import logging

import pytest
from websockets.frames import Opcode

from tests.support.loops import eventually, on_both_loops, turns
from tests.support.sockets import (
    HEAD,
    LIMITS,
    REQUEST,
    Event,
    Opened,
    Recorder,
    frame,
    relaying,
    stall,
)
from wsgate_dataplane.frames.build import close_frame
from wsgate_dataplane.relay.engine import Closed, Counters, Side, SideLost

TEXT, BINARY, CLOSE = Opcode.TEXT, Opcode.BINARY, Opcode.CLOSE
BIG = bytes(range(256)) * 8192
"""Two MiB: more than any buffer between the peers."""
QUARTER_HOUR = 900.0
GOOD = frame(TEXT, b"good", mask=True)


@on_both_loops
async def test_close_says_1008_to_both_masked_to_the_upstream_and_fin_follows() -> None:
    async with relaying() as relay:
        session = await relay.open()
        session.close(1008, "token revoked")
        for peer, is_masked in ((session.client, False), (session.upstream, True)):
            received = await peer.frame()
            assert received.close == (1008, "token revoked")
            assert received.is_masked is is_masked
            assert await peer.rest() == b""
            peer.finish()
        closed = await session.events.over()
        assert closed == Closed(first_close=None, close_code=None, is_clean=True, counters=Counters())
        session.drop()


@on_both_loops
async def test_close_lets_the_upstreams_frame_end_and_stands_on_its_boundary() -> None:
    async with relaying() as relay:
        relay.limit(max_message_bytes=1 << 24, grace_seconds=5, close_seconds=8)
        session = await relay.open()
        stream = frame(BINARY, BIG, mask=False)
        await session.upstream.send(stream[:1000])
        assert await session.client.exactly(1000) == stream[:1000]
        session.close()
        assert (await session.upstream.frame()).close == (1008, "revoked")
        async with asyncio.TaskGroup() as tasks:
            # What follows the frame is not forwarded.
            tasks.create_task(session.upstream.send(stream[1000:] + frame(TEXT, b"more", mask=False)))
            assert await session.client.exactly(len(stream) - 1000) == stream[1000:]
        assert (await session.client.frame()).close == (1008, "revoked")
        assert await session.client.rest() == b""
        session.client.finish()
        session.upstream.finish()
        assert (await session.events.over()).is_clean
        session.drop()


@on_both_loops
async def test_close_lets_the_clients_frame_end_before_it_speaks_to_the_upstream() -> None:
    async with relaying() as relay:
        relay.limit(grace_seconds=5, close_seconds=8)
        session = await relay.open()
        stream = frame(TEXT, b"x" * 1000, mask=True)
        await session.client.send(stream[:500])
        assert await session.upstream.exactly(500) == stream[:500]
        session.close()
        assert (await session.client.frame()).close == (1008, "revoked")
        await session.client.send(stream[500:] + close_frame(1008, "", b"mask"))
        assert await session.upstream.exactly(len(stream) - 500) == stream[500:]
        received = await session.upstream.frame()
        assert (received.close, received.is_masked) == ((1008, "revoked"), True)
        assert await session.upstream.rest() == b""
        await session.end()


@on_both_loops
async def test_a_frame_that_does_not_end_within_the_grace_costs_only_its_receiver() -> None:
    async with relaying() as relay:
        relay.limit(close_seconds=5)
        session = await relay.open()
        stream = frame(BINARY, b"x" * 1000, mask=False)
        await session.upstream.send(stream[:500])
        assert await session.client.exactly(500) == stream[:500]
        session.close()
        assert await session.client.is_cut()
        assert session.events.closed is None
        assert (await session.upstream.frame()).close == (1008, "revoked")
        assert await session.upstream.rest() == b""
        session.upstream.finish()
        assert not (await session.events.over()).is_clean
        session.drop()


@on_both_loops
async def test_a_header_that_was_held_back_does_not_delay_the_close() -> None:
    async with relaying() as relay:
        relay.limit(grace_seconds=5, close_seconds=5)
        session = await relay.open()
        await session.client.send(frame(TEXT, b"x" * 300, mask=True)[:7])
        await turns()
        session.close()
        assert (await session.upstream.frame()).close == (1008, "revoked")
        assert await session.upstream.rest() == b""
        await session.end()


@on_both_loops
async def test_a_peer_that_never_answers_a_close_is_cut_at_close_seconds() -> None:
    async with relaying() as relay:
        session = await relay.open()
        started = relay.engine.clock()
        session.close()
        closed = await session.events.over()
        assert LIMITS.close_seconds - 0.01 <= relay.engine.clock() - started < LIMITS.close_seconds + 2
        assert not closed.is_clean
        session.drop()


@on_both_loops
async def test_a_client_that_stopped_reading_is_gone_within_close_seconds() -> None:
    """R7: our Close stands behind full buffers, and nothing of them may be had after the cut."""
    async with relaying() as relay:
        relay.limit(max_message_bytes=1 << 30, write_seconds=QUARTER_HOUR)
        session = await relay.open()
        await stall(session, Side.UPSTREAM, frame(BINARY, b"x" * 1000, mask=False) * 20_000)
        started = relay.engine.clock()
        session.close()
        closed = await session.events.over()
        assert relay.engine.clock() - started < LIMITS.close_seconds + 2
        assert not closed.is_clean
        assert await session.client.is_cut()
        session.drop()


@pytest.mark.parametrize("speaker", Side)
@on_both_loops
async def test_a_close_passes_with_its_code_and_so_does_the_answer(speaker: Side) -> None:
    async with relaying() as relay:
        session = await relay.open()
        first, second = session.client, session.upstream
        if speaker is Side.UPSTREAM:
            first, second = second, first
        is_client = speaker is Side.CLIENT
        await first.send(frame(CLOSE, b"\x0f\xa1bye", mask=is_client))
        assert (await second.frame()).close == (4001, "bye")
        await second.send(frame(CLOSE, b"\x0f\xa1", mask=not is_client))
        assert (await first.frame()).close == (4001, "")
        # The gateway is the client's server, which shuts first (RFC 6455 7.1.1).
        assert await session.client.rest() == b""
        session.client.finish()
        assert await session.upstream.rest() == b""
        session.upstream.finish()
        closed = await session.events.over()
        assert (closed.first_close, closed.close_code, closed.is_clean) == (speaker, 4001, True)
        session.drop()


@on_both_loops
async def test_close_after_a_peers_close_does_not_say_a_second_one_to_the_other() -> None:
    async with relaying() as relay:
        session = await relay.open()
        await session.client.send(frame(CLOSE, b"\x03\xe8", mask=True))
        assert (await session.upstream.frame()).close == (1000, "")
        session.close()
        assert await session.upstream.rest() == b""
        assert (await session.client.frame()).close == (1008, "revoked")
        assert await session.client.rest() == b""
        await session.end()


@on_both_loops
async def test_a_second_close_changes_nothing() -> None:
    async with relaying() as relay:
        session = await relay.open()
        session.close(1008, "first")
        session.close(1001, "second")
        assert (await session.client.frame()).close == (1008, "first")
        assert await session.client.rest() == b""
        await session.end()
        session.close()
        relay.engine.abort(session.id)


# Peers that go without a word


@on_both_loops
async def test_an_upstreams_fin_lets_the_listener_tell_the_client_1014() -> None:
    def react(recorder: Recorder, event: Event) -> None:
        if isinstance(event, SideLost):
            recorder.engine.close(recorder.id, 1014, "upstream lost")

    async with relaying() as relay:
        relay.react = react
        session = await relay.open()
        session.upstream.finish()
        assert (await session.client.frame()).close == (1014, "upstream lost")
        assert await session.client.rest() == b""
        session.client.finish()
        closed = await session.events.over()
        assert session.events.events == [SideLost(Side.UPSTREAM), closed]
        session.drop()


@pytest.mark.parametrize("gone", Side)
@pytest.mark.parametrize("how", ["finish", "reset"])
@on_both_loops
async def test_without_a_last_word_fin_is_passed_on(how: str, gone: Side) -> None:
    async with relaying() as relay:
        session = await relay.open()
        leaver, stayer = session.client, session.upstream
        if gone is Side.UPSTREAM:
            leaver, stayer = stayer, leaver
        getattr(leaver, how)()
        assert await stayer.rest() == b""
        stayer.finish()
        closed = await session.events.over()
        assert session.events.events == [SideLost(gone), closed]
        assert closed.is_clean is (how == "finish")
        session.drop()


@on_both_loops
async def test_a_peer_that_outlives_the_other_is_cut_at_close_seconds() -> None:
    async with relaying() as relay:
        session = await relay.open()
        session.client.close()
        assert await session.upstream.is_cut() is False
        assert not (await session.events.over()).is_clean
        session.drop()


@on_both_loops
async def test_close_while_the_peers_end_it_themselves_says_what_can_still_be_said() -> None:
    async with relaying() as relay:
        session = await relay.open()
        session.client.finish()
        assert await session.upstream.rest() == b""
        session.close()
        assert (await session.client.frame()).close == (1008, "revoked")
        assert await session.client.rest() == b""
        session.upstream.finish()
        await session.events.over()
        session.drop()


@on_both_loops
async def test_an_upstream_that_streams_to_a_lost_client_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with relaying() as relay:
        session = await relay.open()
        session.client.reset()
        await eventually(lambda: session.events.events)
        before = relay.engine.stats(session.id)
        for _ in range(20):
            await session.upstream.send(frame(TEXT, b"into the void", mask=False))
            await turns(2)
        assert relay.engine.stats(session.id) == before
        session.upstream.finish()
        await session.end()
    assert caplog.records == []


# Abort, and events during open


def abort_at_once(recorder: Recorder, event: Event) -> None:
    if not isinstance(event, Closed):
        recorder.engine.abort(recorder.id)


async def is_aborted(session: Opened) -> bool:
    """Both sides are cut, and nothing was told behind the one event and its end."""
    closed = await session.events.over()
    cut = [await peer.is_cut() for peer in (session.client, session.upstream)]
    engine = session.engine
    return (
        not closed.is_clean
        and len(session.events.events) == 2
        and len(engine) == len(engine.timer) == 0
        and all(cut)
    )


@on_both_loops
async def test_abort_when_a_side_is_lost_cuts_both_at_once() -> None:
    async with relaying() as relay:
        relay.react = abort_at_once
        session = await relay.open()
        session.client.finish()
        assert await is_aborted(session)


@on_both_loops
async def test_abort_during_open_is_the_end_though_both_sides_early_bytes_are_hostile() -> None:
    async with relaying() as relay:
        relay.react = abort_at_once
        client = await relay.client()
        await client.send(REQUEST + frame(TEXT, b"bad", mask=False))
        upstream = await relay.accept()
        await upstream.send(HEAD + frame(TEXT, b"bad", mask=True))
        await eventually(lambda: relay.recorders)
        assert await is_aborted(Opened(client, upstream, relay.recorders[0], relay.engine))


class Refusing(Recorder):
    """Closes its session in the first event."""

    def relay_opened(self, session: int) -> None:
        super().relay_opened(session)
        self.engine.close(session, 1008, "revoked")


@on_both_loops
async def test_a_close_in_the_first_event_is_waited_for_no_longer_than_any_other() -> None:
    async with relaying() as relay:
        relay.limit(close_seconds=0.2, idle_seconds=QUARTER_HOUR, ping_seconds=QUARTER_HOUR)
        relay.new_recorder = Refusing
        session = await relay.open()
        # Neither peer answers.
        assert not (await session.events.over()).is_clean
        session.drop()


@on_both_loops
async def test_a_close_in_the_first_event_comes_behind_the_101(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with relaying() as relay:
        relay.new_recorder = Refusing
        session = await relay.open(client_says=[REQUEST + GOOD])
        assert (await session.client.frame()).close == (1008, "revoked")
        assert (await session.upstream.frame()).close == (1008, "revoked")
        assert await session.upstream.rest() == b""
        await session.end()
    assert caplog.records == []
