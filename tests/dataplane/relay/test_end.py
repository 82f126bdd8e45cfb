"""One peer's connection: it waits for the other, for its turn, and loses nothing."""

import asyncio
import itertools

import pytest
from websockets.frames import Opcode

from tests.support.loops import eventually, on_both_loops
from tests.support.sockets import frame, relaying, stall
from wsgate_dataplane.relay.engine import Side
from wsgate_dataplane.relay.tunnel import WRITE_BUFFER_HIGH_BYTES

TEXT, BINARY = Opcode.TEXT, Opcode.BINARY
BIG = bytes(range(256)) * 8192
"""Two MiB: more than any buffer between the peers."""
QUARTER_HOUR = 900.0


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
        await session.end()


@pytest.mark.parametrize("seconds", [0.0, 1.0], ids=["quick", "slow"])
@on_both_loops
async def test_a_read_that_took_long_is_the_peers_last_in_its_turn_whatever_it_held(seconds: float) -> None:
    async with relaying() as relay:
        relay.mqtt_level = 5
        session = await relay.open()
        ticks = itertools.count(0.0, seconds)
        relay.engine.stopwatch = lambda: next(ticks)
        client = relay.engine._tunnels[session.id].client
        # Frames without a packet, and packets that are no messages.
        crowd = (frame(BINARY, b"", mask=True) + frame(BINARY, b"\xc0\0", mask=True)) * 700
        client.data_received(crowd)
        assert client.transport.is_reading() == (not seconds)
        await eventually(client.transport.is_reading)
        assert await session.upstream.exactly(len(crowd)) == crowd
        await session.end()


@on_both_loops
async def test_a_peer_of_tiny_frames_waits_for_its_turn_and_loses_nothing() -> None:
    tiny = frame(BINARY, b"", mask=True) * 200_000
    async with relaying() as relay:
        flooding, other = await relay.open(), await relay.open()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(flooding.client.send(tiny))
            received = tasks.create_task(flooding.upstream.exactly(len(tiny)))
            await other.client.send(frame(TEXT, b"me too", mask=True))
            assert (await other.upstream.frame()).payload == b"me too"
        assert received.result() == tiny
        assert relay.engine.stats(flooding.id).messages_to_upstream == 200_000
