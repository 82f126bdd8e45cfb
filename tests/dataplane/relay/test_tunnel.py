"""Sessions between two real sockets: bytes, closes, deadlines, hostile peers."""

import asyncio
import logging
from collections.abc import Callable

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
    close_on_limit,
    frame,
    relaying,
)
from wsgate_dataplane.frames.build import close_frame
from wsgate_dataplane.relay.engine import Closed, Counters, Limit, Side, SideLost
from wsgate_dataplane.relay.tunnel import WRITE_BUFFER_HIGH_BYTES

TEXT, BINARY, CONT, CLOSE, PING, PONG = (
    Opcode.TEXT,
    Opcode.BINARY,
    Opcode.CONT,
    Opcode.CLOSE,
    Opcode.PING,
    Opcode.PONG,
)
BIG = bytes(range(256)) * 8192
"""Two MiB: more than any buffer between the peers."""
QUARTER_HOUR = 900.0


async def end(session: Opened) -> Closed:
    """Both peers go."""
    session.drop()
    return await session.events.over()


def flood(session: Opened, side: Side, data: bytes) -> Callable[[], int]:
    """Put data into the gateway until it takes no more; the result gives what it took so far."""
    peer = session.client if side is Side.CLIENT else session.upstream
    taken = 0

    def push() -> int:
        nonlocal taken
        try:
            while taken < len(data):
                taken += peer.socket.send(data[taken : taken + 65536])
        except BlockingIOError:
            pass
        return taken

    return push


async def stall(session: Opened, side: Side, data: bytes) -> int:
    """Flood until nothing moves any more; the number of bytes that were taken."""
    push = flood(session, side, data)
    quiet = last = 0
    while quiet < 25:
        await asyncio.sleep(0.002)
        quiet = quiet + 1 if push() == last else 0
        last = push()
    assert last < len(data)
    return last


# Bytes


@on_both_loops
async def test_bytes_are_the_same_at_the_other_end_both_ways() -> None:
    up = b"".join(
        frame(op, payload, mask=True) for op, payload in ((TEXT, b"a"), (PING, b"p"), (BINARY, BIG[:70000]))
    )
    down = b"".join(
        frame(op, payload, mask=False) for op, payload in ((BINARY, b""), (PONG, b"p"), (TEXT, b"y" * 300))
    )
    async with relaying() as relay:
        session = await relay.open()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(session.client.send(up))
            tasks.create_task(session.upstream.send(down))
            assert await session.upstream.exactly(len(up)) == up
            assert await session.client.exactly(len(down)) == down
        counters = Counters(len(up), len(down), 2, 2)
        assert relay.engine.stats(session.id) == counters
        assert (await end(session)).counters == counters


@on_both_loops
async def test_large_messages_do_not_stop_behind_a_window_of_four() -> None:
    """Defect 19 of the original: 64 KiB messages, four of them unanswered at a time."""
    message, count, window = BIG[:65536], 32, 4
    async with relaying() as relay:
        session = await relay.open()

        async def echo() -> None:
            for _ in range(count):
                received = await session.upstream.frame()
                await session.upstream.send(frame(BINARY, received.payload, mask=False))

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(echo())
            for number in range(count + window):
                if number >= window:
                    assert (await session.client.frame()).payload == message
                if number < count:
                    await session.client.send(frame(BINARY, message, mask=True))
        await end(session)


@on_both_loops
async def test_fragments_one_byte_at_a_time_arrive_as_they_were_sent() -> None:
    stream = (
        frame(TEXT, b"one ", fin=False, mask=True)
        + frame(PING, b"between", mask=True)
        + frame(CONT, b"x" * 130, fin=False, mask=True)
        + frame(CONT, b"end", mask=True)
    )
    async with relaying() as relay:
        session = await relay.open()
        for byte in stream:
            await session.client.send(bytes((byte,)))
            await turns(1)
        assert await session.upstream.exactly(len(stream)) == stream
        assert relay.engine.stats(session.id).messages_to_upstream == 1
        await end(session)


@pytest.mark.parametrize("side", Side)
@on_both_loops
async def test_a_slow_reader_bounds_what_is_buffered_and_gets_everything(side: Side) -> None:
    async with relaying() as relay:
        relay.limit(max_message_bytes=1 << 30, write_seconds=QUARTER_HOUR)
        session = await relay.open()
        sender, reader = session.client, session.upstream
        if side is Side.UPSTREAM:
            sender, reader = reader, sender
        stream = frame(BINARY, BIG * 16, mask=side is Side.CLIENT)
        taken = await stall(session, side, stream)
        stats = relay.engine.stats(session.id)
        forwarded = stats.bytes_to_upstream + stats.bytes_to_client
        tunnel = relay.engine._tunnels[session.id]
        end_ = tunnel.upstream if side is Side.CLIENT else tunnel.client
        # One read beyond the mark is the most that an end may be handed: 256 KiB on either loop.
        assert end_.transport.get_write_buffer_size() <= WRITE_BUFFER_HIGH_BYTES + 262_144
        assert forwarded <= taken
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(sender.send(stream[taken:]))
            assert await reader.exactly(len(stream)) == stream
        await end(session)


# Closing


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
        await end(session)


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
        await end(session)


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
        await end(session)


@on_both_loops
async def test_a_second_close_changes_nothing() -> None:
    async with relaying() as relay:
        session = await relay.open()
        session.close(1008, "first")
        session.close(1001, "second")
        assert (await session.client.frame()).close == (1008, "first")
        assert await session.client.rest() == b""
        await end(session)
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
        await end(session)
    assert caplog.records == []


# Silence


@on_both_loops
async def test_silence_pings_both_sides_and_then_is_an_idle_timeout() -> None:
    async with relaying() as relay:
        relay.limit(ping_seconds=0.1, idle_seconds=0.25)
        session = await relay.open()
        for peer, is_masked in ((session.client, False), (session.upstream, True)):
            received = await peer.frame()
            assert (received.opcode, received.payload, received.is_masked) == (PING, b"", is_masked)
        await eventually(lambda: session.events.events)
        assert session.events.exceeded.limit is Limit.IDLE
        await end(session)


@on_both_loops
async def test_a_pong_keeps_a_side_alive_and_only_that_side() -> None:
    async with relaying() as relay:
        relay.limit(ping_seconds=0.1, idle_seconds=0.8)
        session = await relay.open()
        started = relay.engine.clock()

        async def answer() -> None:
            while (await session.client.frame()).opcode == PING:
                await session.client.send(frame(PONG, mask=True))

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(answer())
            await eventually(lambda: session.events.events)
            assert session.events.exceeded.side is Side.UPSTREAM
            assert relay.engine.clock() - started > 0.75
        await end(session)


@on_both_loops
async def test_both_sides_pongs_keep_a_session_for_ever() -> None:
    async with relaying() as relay:
        relay.limit(ping_seconds=0.1, idle_seconds=0.8)
        session = await relay.open()
        until = relay.engine.clock() + 1.2

        async def answer(side: Side) -> None:
            peer = session.client if side is Side.CLIENT else session.upstream
            while relay.engine.clock() < until:
                if (await peer.frame()).opcode == PING:
                    await peer.send(frame(PONG, mask=side is Side.CLIENT))

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(answer(Side.CLIENT))
            tasks.create_task(answer(Side.UPSTREAM))
        assert session.events.events == []
        await end(session)


@on_both_loops
async def test_nothing_is_said_behind_a_close_that_passed() -> None:
    async with relaying() as relay:
        relay.limit(ping_seconds=0.1, idle_seconds=0.5)
        session = await relay.open()
        await session.client.send(frame(CLOSE, b"\x03\xe8", mask=True))
        assert (await session.upstream.frame()).close == (1000, "")
        await eventually(lambda: session.events.events)
        assert await session.upstream.rest() == b""
        await end(session)


@on_both_loops
async def test_bytes_of_a_header_that_never_ends_are_no_life() -> None:
    async with relaying() as relay:
        relay.limit(ping_seconds=QUARTER_HOUR, idle_seconds=0.4)
        session = await relay.open()
        started = relay.engine.clock()
        dribble = iter(frame(BINARY, b"x" * 70_000, mask=True)[:13])
        while not session.events.events and relay.engine.clock() < started + 5:
            if (byte := next(dribble, None)) is not None:
                await session.client.send(bytes((byte,)))
            await asyncio.sleep(0.05)
        assert session.events.exceeded.limit is Limit.IDLE
        await end(session)


@on_both_loops
async def test_a_peer_that_takes_no_bytes_is_a_write_timeout() -> None:
    async with relaying() as relay:
        relay.limit(write_seconds=0.3, max_message_bytes=1 << 30)
        session = await relay.open()
        push = flood(session, Side.UPSTREAM, frame(BINARY, BIG * 8, mask=False))
        await eventually(lambda: (push(), session.events.events)[1])
        assert (session.events.exceeded.limit, session.events.exceeded.side) == (Limit.WRITE, Side.CLIENT)
        await session.events.over()
        session.drop()


@on_both_loops
async def test_a_side_that_the_gateway_does_not_read_from_is_not_idle() -> None:
    async with relaying() as relay:
        relay.limit(ping_seconds=QUARTER_HOUR, idle_seconds=0.6, write_seconds=1.2, max_message_bytes=1 << 30)
        session = await relay.open()
        push = flood(session, Side.UPSTREAM, frame(BINARY, BIG * 8, mask=False))

        def is_over() -> bool:
            push()
            # The stuck client itself is alive.
            session.client.socket.send(GOOD)
            return bool(session.events.events)

        await eventually(is_over)
        assert (session.events.exceeded.limit, session.events.exceeded.side) == (Limit.WRITE, Side.CLIENT)
        await session.events.over()
        session.drop()


@on_both_loops
async def test_limits_of_a_live_session_can_be_replaced() -> None:
    async with relaying() as relay:
        session = await relay.open()
        relay.limit(max_message_bytes=10, idle_seconds=QUARTER_HOUR)
        relay.engine.set_limits(session.id, relay.limits)
        await session.client.send(frame(TEXT, b"x" * 10, mask=True) + frame(TEXT, b"x" * 11, mask=True))
        assert (await session.upstream.frame()).payload == b"x" * 10
        assert (await session.upstream.frame()).close == (1008, "limit")
        relay.limit(idle_seconds=0.05)
        await end(session)
        relay.engine.set_limits(session.id, relay.limits)

        session = await relay.open()
        relay.engine.set_limits(session.id, relay.limits)
        await eventually(lambda: session.events.events)
        assert session.events.exceeded.limit is Limit.IDLE
        await end(session)


# Hostile peers

GOOD = frame(TEXT, b"good", mask=True)
LIMITED = {"max_message_bytes": 1000, "max_fragments": 5, "max_control_frames_per_second": 10}
FRAGMENT = frame(CONT, b"", fin=False, mask=True)
PINGS = frame(PING, mask=True)


@pytest.mark.parametrize(
    ("passes", "stops", "limit"),
    [
        (GOOD, frame(TEXT, b"x", mask=False), Limit.FRAME),
        (GOOD, b"\x82\xff\x80" + bytes(7) + b"mask" + b"x" * 50, Limit.FRAME),
        (GOOD, frame(BINARY, b"x" * 1001, mask=True), Limit.MESSAGE_BYTES),
        (
            GOOD + frame(BINARY, b"x" * 600, fin=False, mask=True),
            frame(CONT, b"x" * 401, mask=True),
            Limit.MESSAGE_BYTES,
        ),
        (GOOD + frame(TEXT, b"", fin=False, mask=True) + 4 * FRAGMENT, FRAGMENT, Limit.FRAGMENTS),
        (GOOD + 10 * PINGS, PINGS, Limit.CONTROL_FRAMES),
        (GOOD, b"\xc1\x80mask", Limit.FRAME),
    ],
    ids=["unmasked", "2^63", "oversized", "oversized in parts", "endless", "flood", "compressed"],
)
@pytest.mark.parametrize("when", ["later", "early", "one byte at a time"])
@on_both_loops
async def test_a_hostile_frame_is_named_and_nothing_of_it_is_forwarded(
    passes: bytes, stops: bytes, limit: Limit, when: str
) -> None:
    stream = passes + stops + GOOD
    async with relaying() as relay:
        relay.limit(**LIMITED)
        session = await relay.open(client_says=[REQUEST + stream if when == "early" else REQUEST])
        if when == "later":
            await session.client.send(stream)
        elif when != "early":
            for byte in stream[: len(passes) + 14]:
                await session.client.send(bytes((byte,)))
                await turns(1)
        assert await session.upstream.exactly(len(passes)) == passes
        assert (await session.upstream.frame()).close == (1008, "limit")
        assert await session.upstream.rest() == b""
        assert (await session.client.frame()).close == (1008, "limit")
        assert (session.events.exceeded.limit, session.events.exceeded.side) == (limit, Side.CLIENT)
        await end(session)


@on_both_loops
async def test_a_masked_frame_from_the_upstream_is_named_even_behind_its_101() -> None:
    good = frame(TEXT, b"good", mask=False)
    async with relaying() as relay:
        session = await relay.open(upstream_says=[HEAD + good + frame(TEXT, b"bad", mask=True)])
        assert await session.client.exactly(len(good)) == good
        assert (await session.client.frame()).close == (1008, "limit")
        assert (session.events.exceeded.limit, session.events.exceeded.side) == (Limit.FRAME, Side.UPSTREAM)
        await end(session)


@on_both_loops
async def test_compressed_frames_pass_where_the_extension_was_negotiated() -> None:
    stream = b"\xc1\x81mask\x00"
    async with relaying() as relay:
        relay.extensions = True
        session = await relay.open()
        await session.client.send(stream)
        assert await session.upstream.exactly(len(stream)) == stream
        await end(session)


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


@on_both_loops
async def test_a_close_in_the_first_event_comes_behind_the_101(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    class Refusing(Recorder):
        def relay_opened(self, session: int) -> None:
            super().relay_opened(session)
            self.engine.close(session, 1008, "revoked")

    async with relaying() as relay:
        relay.new_recorder = Refusing
        session = await relay.open(client_says=[REQUEST + GOOD])
        assert (await session.client.frame()).close == (1008, "revoked")
        assert (await session.upstream.frame()).close == (1008, "revoked")
        assert await session.upstream.rest() == b""
        await end(session)
    assert caplog.records == []


@on_both_loops
async def test_what_a_listener_must_do_is_enough() -> None:
    async with relaying() as relay:
        assert relay.react is close_on_limit
        session = await relay.open()
        await session.client.send(b"\xff\xff")
        await session.events.over()
        session.drop()
