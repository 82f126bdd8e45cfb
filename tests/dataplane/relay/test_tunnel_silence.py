"""Pings, idle and write timeouts, limits of a live session."""

import asyncio

from websockets.frames import Opcode

from tests.support.loops import eventually, on_both_loops
from tests.support.sockets import (
    flood,
    frame,
    relaying,
)
from wsgate_dataplane.relay.engine import Limit, Side

TEXT, BINARY, CLOSE, PING, PONG = Opcode.TEXT, Opcode.BINARY, Opcode.CLOSE, Opcode.PING, Opcode.PONG
BIG = bytes(range(256)) * 8192
"""Two MiB: more than any buffer between the peers."""
QUARTER_HOUR = 900.0
GOOD = frame(TEXT, b"good", mask=True)


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
        await session.end()


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
        await session.end()


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
        await session.end()


@on_both_loops
async def test_nothing_is_said_behind_a_close_that_passed() -> None:
    async with relaying() as relay:
        relay.limit(ping_seconds=0.1, idle_seconds=0.5)
        session = await relay.open()
        await session.client.send(frame(CLOSE, b"\x03\xe8", mask=True))
        assert (await session.upstream.frame()).close == (1000, "")
        await eventually(lambda: session.events.events)
        assert await session.upstream.rest() == b""
        await session.end()


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
        await session.end()


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
        await session.end()
        relay.engine.set_limits(session.id, relay.limits)

        session = await relay.open()
        relay.engine.set_limits(session.id, relay.limits)
        await eventually(lambda: session.events.events)
        assert session.events.exceeded.limit is Limit.IDLE
        await session.end()
