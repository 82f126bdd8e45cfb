"""Sessions between two real sockets: what passes, and what hostile peers get."""

import asyncio

import pytest
from websockets.frames import Opcode

from tests.support.loops import on_both_loops, turns
from tests.support.sockets import (
    HEAD,
    REQUEST,
    close_on_limit,
    frame,
    relaying,
)
from wsgate_dataplane.relay.engine import Counters, Limit, Side

TEXT, BINARY, CONT, PING, PONG = Opcode.TEXT, Opcode.BINARY, Opcode.CONT, Opcode.PING, Opcode.PONG
BIG = bytes(range(256)) * 8192
"""Two MiB: more than any buffer between the peers."""
QUARTER_HOUR = 900.0


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
        assert (await session.end()).counters == counters


@on_both_loops
async def test_defect_19_large_messages_do_not_stop_behind_a_window_of_four() -> None:
    """64 KiB messages, four of them unanswered at a time."""
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
        await session.end()


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
        await session.end()


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
        await session.end()


@on_both_loops
async def test_a_masked_frame_from_the_upstream_is_named_even_behind_its_101() -> None:
    good = frame(TEXT, b"good", mask=False)
    async with relaying() as relay:
        session = await relay.open(upstream_says=[HEAD + good + frame(TEXT, b"bad", mask=True)])
        assert await session.client.exactly(len(good)) == good
        assert (await session.client.frame()).close == (1008, "limit")
        assert (session.events.exceeded.limit, session.events.exceeded.side) == (Limit.FRAME, Side.UPSTREAM)
        await session.end()


@on_both_loops
async def test_compressed_frames_pass_where_the_extension_was_negotiated() -> None:
    stream = b"\xc1\x81mask\x00"
    async with relaying() as relay:
        relay.extensions = True
        session = await relay.open()
        await session.client.send(stream)
        assert await session.upstream.exactly(len(stream)) == stream
        await session.end()


@on_both_loops
async def test_what_a_listener_must_do_is_enough() -> None:
    async with relaying() as relay:
        assert relay.react is close_on_limit
        session = await relay.open()
        await session.client.send(b"\xff\xff")
        await session.events.over()
        session.drop()
