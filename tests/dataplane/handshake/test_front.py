"""An accepted connection becomes a session without losing a byte, or is answered and ends."""

import asyncio
import itertools
import logging

import pytest
from websockets.frames import Opcode

from tests.support.loops import eventually, on_both_loops, turns
from tests.support.sockets import HEAD, REQUEST, frame, open_fds, relaying
from wsgate_dataplane.handshake.front import HEAD_BYTES_MAX, Front

EARLY = b"".join(frame(Opcode.TEXT, f"early {number}".encode(), mask=True) for number in range(20))
EARLY_BACK = b"".join(frame(Opcode.TEXT, f"early {number}".encode(), mask=False) for number in range(20))


def cut(stream: bytes, *places: int) -> list[bytes]:
    """The stream in pieces."""
    marks = [0, *places, len(stream)]
    return [stream[a:b] for a, b in itertools.pairwise(marks)]


@pytest.mark.parametrize(
    "places",
    [(), (len(REQUEST),), (len(REQUEST) - 1, len(REQUEST) + 1), (10, len(REQUEST) + 3, len(REQUEST) + 200), (-1,)],
    ids=str,
)
@on_both_loops
async def test_frames_that_follow_the_request_reach_the_upstream_in_order(places: tuple[int, ...]) -> None:
    stream = REQUEST + EARLY
    async with relaying() as relay:
        session = await relay.open(client_says=cut(stream, *(place % len(stream) for place in places)))
        assert await session.upstream.exactly(len(EARLY)) == EARLY
        session.drop()
        await session.events.over()


@on_both_loops
async def test_more_early_bytes_than_are_kept_are_not_lost() -> None:
    early = frame(Opcode.BINARY, bytes(range(256)) * 3000, mask=True)
    async with relaying() as relay, asyncio.TaskGroup() as tasks:
        client = await relay.client()
        sending = tasks.create_task(client.send(REQUEST + early))
        upstream = await relay.accept()
        await turns(20)
        await upstream.send(HEAD)
        assert await upstream.exactly(len(early)) == early
        await sending
        # The client was not read from meanwhile: the relay reads again.
        await client.send(EARLY)
        assert await upstream.exactly(len(EARLY)) == EARLY
        client.close()
        upstream.close()


@pytest.mark.parametrize("place", [0, 1, len(HEAD) - 1, len(HEAD), len(HEAD) + 1], ids=str)
@on_both_loops
async def test_frames_that_follow_the_upstreams_101_reach_the_client_in_order(place: int) -> None:
    async with relaying() as relay:
        session = await relay.open(upstream_says=cut(HEAD + EARLY_BACK, place))
        assert await session.client.exactly(len(EARLY_BACK)) == EARLY_BACK
        session.drop()
        await session.events.over()


@on_both_loops
async def test_no_task_remains_and_descriptors_return_to_base() -> None:
    async with relaying() as relay:
        await turns()
        base, tasks = open_fds(), asyncio.all_tasks()
        sessions = [await relay.open(client_says=[REQUEST + EARLY]) for _ in range(20)]
        for session in sessions:
            assert await session.upstream.exactly(len(EARLY)) == EARLY
        await eventually(lambda: asyncio.all_tasks() == tasks, lambda: asyncio.all_tasks() - tasks)
        assert not relay.server.connections
        for session in sessions:
            session.drop()
            await session.events.over()
        del session, sessions
        await eventually(lambda: open_fds() == base, lambda: f"{open_fds()} descriptors, {base} before")


@pytest.mark.parametrize("how", ["finish", "reset"])
@on_both_loops
async def test_a_client_that_goes_during_the_dial_ends_it(how: str) -> None:
    async with relaying() as relay:
        relay.before_leaving = asyncio.Event()
        client = await relay.client()
        await client.send(REQUEST)
        upstream = await relay.accept()
        await upstream.send(HEAD)
        await eventually(lambda: relay.dialled == 1)
        getattr(client, how)()
        await eventually(lambda: relay.lost == 1)
        assert not relay.server.connections
        assert await upstream.rest() == b""
        assert relay.recorders == []


@on_both_loops
async def test_nothing_of_it_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with relaying() as relay:
        session = await relay.open(client_says=[REQUEST + EARLY])
        await session.client.send(EARLY)
        assert await session.upstream.exactly(2 * len(EARLY)) == 2 * EARLY
        session.client.reset()
        await session.upstream.rest()
        session.drop()
        await session.events.over()
    assert caplog.records == []


@on_both_loops
async def test_an_answer_is_read_whole_although_the_client_goes_on_sending() -> None:
    async with relaying() as relay:

        async def answer(front: Front) -> None:
            front.answer(b"x" * 100_000)

        relay.handle = answer
        client = await relay.client()
        await client.send(REQUEST + EARLY)
        assert await client.exactly(100_000) == b"x" * 100_000
        await client.send(EARLY)
        assert await client.rest() == b""
        client.close()
        await eventually(lambda: not relay.server.connections)


async def handed_over(said: bytes) -> list[bytes]:
    """The heads that a connection is answered by which says this."""
    heads: list[bytes] = []
    async with relaying() as relay:

        async def keep(front: Front, head: bytes) -> None:
            heads.append(head)
            front.abort()

        relay.server._handle = keep
        client = await relay.client()
        await client.send(said)
        await eventually(lambda: bool(heads))
        client.close()
    return heads


@on_both_loops
async def test_a_head_without_an_end_is_handed_over_at_the_limit() -> None:
    assert await handed_over(b"X" * (HEAD_BYTES_MAX + 1)) == [b"X" * HEAD_BYTES_MAX]


@on_both_loops
async def test_what_begins_like_no_request_is_handed_over_at_once() -> None:
    assert await handed_over(b"\x16\x03\x01") == [b"\x16\x03\x01"]
