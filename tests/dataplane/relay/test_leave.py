"""The contract of leaving aiohttp, against the installed version."""

import asyncio
import gc
import itertools
import logging

import pytest
from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from websockets.frames import Opcode

from tests.support.loops import eventually, on_both_loops, turns
from tests.support.sockets import HEAD, REQUEST, frame, open_fds, relaying

EARLY = b"".join(frame(Opcode.TEXT, f"early {number}".encode(), mask=True) for number in range(20))
EARLY_BACK = b"".join(frame(Opcode.TEXT, f"early {number}".encode(), mask=False) for number in range(20))


def cut(stream: bytes, *places: int) -> list[bytes]:
    """The stream in pieces."""
    marks = [0, *places, len(stream)]
    return [stream[a:b] for a, b in itertools.pairwise(marks)]


def living(*types: type) -> list[object]:
    """Objects of these types that are still there."""
    gc.collect()
    return [each for each in gc.get_objects() if isinstance(each, types)]


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
async def test_more_early_bytes_than_aiohttp_buffers_are_not_lost() -> None:
    early = frame(Opcode.BINARY, bytes(range(256)) * 3000, mask=True)
    async with relaying() as relay, asyncio.TaskGroup() as tasks:
        client = await relay.client()
        sending = tasks.create_task(client.send(REQUEST + early))
        upstream = await relay.accept()
        await turns(20)
        await upstream.send(HEAD)
        assert await upstream.exactly(len(early)) == early
        await sending
        # aiohttp had stopped reading meanwhile: the relay reads again.
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
async def test_nothing_of_aiohttp_remains_and_descriptors_return_to_base() -> None:
    async with relaying() as relay:
        await turns()
        base, tasks = open_fds(), asyncio.all_tasks()
        requests = len(living(web.BaseRequest, web.StreamResponse))
        protocols = len(living(RequestHandler))
        sessions = [await relay.open(client_says=[REQUEST + EARLY]) for _ in range(20)]
        for session in sessions:
            assert await session.upstream.exactly(len(EARLY)) == EARLY
        await eventually(lambda: asyncio.all_tasks() == tasks, lambda: asyncio.all_tasks() - tasks)
        assert relay.server.connections == []
        assert len(living(web.BaseRequest, web.StreamResponse)) == requests
        assert len(living(RequestHandler)) == protocols
        for session in sessions:
            session.drop()
            await session.events.over()
        del session, sessions
        await eventually(lambda: open_fds() == base, lambda: f"{open_fds()} descriptors, {base} before")


@pytest.mark.parametrize("how", ["finish", "reset"])
@on_both_loops
async def test_a_client_that_went_during_the_dial_cannot_leave(how: str) -> None:
    async with relaying() as relay:
        relay.before_leaving = asyncio.Event()
        client = await relay.client()
        await client.send(REQUEST)
        upstream = await relay.accept()
        getattr(client, how)()
        await upstream.send(HEAD)
        await eventually(lambda: relay.dialled == 1)
        await eventually(lambda: all(each.transport is None for each in relay.server.connections))
        relay.before_leaving.set()
        await eventually(lambda: relay.lost == 1)
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
