"""Dialling real servers: a checked 101 with every early byte, or a refusal that leaves nothing open."""

import asyncio
import ssl
from pathlib import Path

import pytest

from tests.dataplane.upstreams.upstream import (
    ASKED,
    EARLY,
    SHORT,
    dialled,
    refusal,
    rest_of,
    saying,
    serving,
)
from tests.support.certificates import server_context, trusting_context
from tests.support.loops import eventually, on_both_loops
from tests.support.sockets import HEAD
from wsgate_dataplane.outcomes.table import Reason
from wsgate_dataplane.upstreams.answer import ANSWER_BYTES_MAX, Answer
from wsgate_dataplane.upstreams.dial import Target


@on_both_loops
async def test_the_request_is_sent_as_it_is_and_the_answer_is_checked() -> None:
    async with serving(saying(HEAD)) as upstream:
        upgraded = await dialled(upstream.url())
        assert upgraded.answer == Answer(None, None)
        assert upgraded.early == b""
        assert not upgraded.transport.is_closing()
        assert upstream.heads == [ASKED]
        upgraded.transport.abort()


@on_both_loops
async def test_frames_in_the_answers_segment_are_kept() -> None:
    async with serving(saying(HEAD + EARLY)) as upstream:
        upgraded = await dialled(upstream.url())
        assert upgraded.early == EARLY
        assert await rest_of(upgraded, len(EARLY)) == EARLY


@on_both_loops
async def test_an_answer_that_comes_byte_by_byte_is_read_and_nothing_behind_it_is_lost() -> None:
    stream = HEAD + EARLY
    async with serving(saying(*(stream[place : place + 1] for place in range(len(stream))))) as upstream:
        assert await rest_of(await dialled(upstream.url()), len(EARLY)) == EARLY


@on_both_loops
async def test_reading_stops_behind_the_answer_until_the_relay_goes_on() -> None:
    flood = bytes(range(256)) * 20_000
    async with serving(saying(HEAD, flood)) as upstream:
        upgraded = await dialled(upstream.url())
        assert await rest_of(upgraded, len(flood)) == flood


@on_both_loops
async def test_an_answer_that_is_no_101_is_refused_and_the_connection_closed() -> None:
    async with serving(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")) as upstream:
        refused = await refusal(upstream.url())
        assert refused.reason is Reason.UPSTREAM_REFUSED_UPGRADE
        assert "200 OK" in refused.detail


@on_both_loops
async def test_an_answer_with_a_wrong_accept_is_refused_and_the_connection_closed() -> None:
    async with serving(saying(HEAD.replace(b"ICX", b"XXX"))) as upstream:
        assert (await refusal(upstream.url())).reason is Reason.UPSTREAM_REFUSED_UPGRADE


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 101 Swi", HEAD[:-1]], ids=["nothing", "a part", "nearly all"])
@on_both_loops
async def test_an_upstream_that_closes_before_its_answer_is_complete_is_refused(said: bytes) -> None:
    async with serving(saying(said, then_close=True)) as upstream:
        refused = await refusal(upstream.url())
        assert refused.reason is Reason.UPSTREAM_REFUSED_UPGRADE
        assert "closed the connection" in refused.detail


@on_both_loops
async def test_an_upstream_that_resets_the_connection_is_refused() -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async with serving(reset) as upstream:
        assert (await refusal(upstream.url())).reason is Reason.UPSTREAM_REFUSED_UPGRADE


@on_both_loops
async def test_an_upstream_that_never_answers_is_left_after_the_handshakes_time() -> None:
    async with serving(saying()) as upstream:
        refused = await refusal(upstream.url(), handshake=SHORT)
        assert refused.reason is Reason.UPSTREAM_TIMEOUT
        assert upstream.url() in refused.detail


@on_both_loops
async def test_an_upstream_that_dribbles_its_answer_is_left_after_the_handshakes_time() -> None:
    async def dribble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\n")
        while not reader.at_eof() and not writer.transport.is_closing():
            writer.write(b"X")
            await writer.drain()
            # The pace of a slow upstream, not a wait for anything.
            await asyncio.sleep(SHORT / 10)

    async with serving(dribble) as upstream:
        assert (await refusal(upstream.url(), handshake=SHORT)).reason is Reason.UPSTREAM_TIMEOUT


@on_both_loops
async def test_endless_headers_are_refused_at_a_named_size() -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\n")
        while not writer.transport.is_closing():
            writer.write(b"X-Filler: " + b"x" * 1000 + b"\r\n")
            await writer.drain()

    async with serving(flood) as upstream:
        refused = await refusal(upstream.url())
        assert refused.reason is Reason.UPSTREAM_REFUSED_UPGRADE
        assert str(ANSWER_BYTES_MAX) in refused.detail


@on_both_loops
async def test_a_head_above_the_size_is_refused_although_it_came_at_once() -> None:
    filler = b"X-Filler: " + b"x" * ANSWER_BYTES_MAX + b"\r\n\r\n"
    async with serving(saying(HEAD[:-2] + filler)) as upstream:
        assert str(ANSWER_BYTES_MAX) in (await refusal(upstream.url())).detail


@on_both_loops
async def test_many_early_frames_do_not_count_as_a_head() -> None:
    early = bytes(ANSWER_BYTES_MAX * 2)
    async with serving(saying(HEAD + early)) as upstream:
        assert await rest_of(await dialled(upstream.url()), len(early)) == early


@pytest.mark.parametrize("host", ["127.0.0.1", "no-such-host.invalid", "a..b", "x" * 64 + ".test"])
@on_both_loops
async def test_an_upstream_that_cannot_be_reached_is_refused(host: str) -> None:
    async with serving(saying()) as upstream:
        port = upstream.port
    refused = await refusal(f"ws://{host}:{port}/ws")
    assert refused.reason is Reason.UPSTREAM_UNREACHABLE
    assert host in refused.detail


@on_both_loops
async def test_a_cancelled_dial_closes_its_connection() -> None:
    async with serving(saying()) as upstream, asyncio.TaskGroup() as tasks:
        task = tasks.create_task(dialled(upstream.url()))
        await eventually(lambda: upstream.heads)
        task.cancel()


@on_both_loops
async def test_an_encrypted_upstream_of_the_right_name_is_dialled(tmp_path: Path) -> None:
    async with serving(saying(HEAD + EARLY), server_context(tmp_path, "localhost")) as upstream:
        upgraded = await dialled(upstream.url("localhost", "wss"), trusting_context())
        assert await rest_of(upgraded, len(EARLY)) == EARLY


@on_both_loops
async def test_the_name_to_verify_may_be_another_than_the_urls(tmp_path: Path) -> None:
    async with serving(saying(HEAD), server_context(tmp_path, "chat.test")) as upstream:
        upgraded = await dialled(upstream.url(scheme="wss"), trusting_context(), name="chat.test")
        upgraded.transport.abort()


@on_both_loops
async def test_no_encrypted_byte_behind_the_answer_is_lost(tmp_path: Path) -> None:
    flood = [bytes([number]) * 5000 for number in range(200)]
    async with serving(saying(HEAD, *flood), server_context(tmp_path, "localhost")) as upstream:
        upgraded = await dialled(upstream.url("localhost", "wss"), trusting_context())
        assert await rest_of(upgraded, 5000 * 200) == b"".join(flood)


@pytest.mark.parametrize(
    ("name", "is_trusted"), [("other.test", True), ("localhost", False)], ids=["wrong name", "no CA"]
)
@on_both_loops
async def test_an_upstream_that_cannot_prove_its_name_is_refused(
    name: str, tmp_path: Path, *, is_trusted: bool
) -> None:
    context = trusting_context() if is_trusted else ssl.create_default_context()
    async with serving(saying(HEAD), server_context(tmp_path, name)) as upstream:
        refused = await refusal(upstream.url("localhost", "wss"), context)
        assert refused.reason is Reason.UPSTREAM_UNREACHABLE
        assert "certificate verify failed" in refused.detail
        assert upstream.heads == [], "nothing was sent before the proof"


@on_both_loops
async def test_an_encrypted_upstream_whose_answer_is_no_101_is_refused(tmp_path: Path) -> None:
    async with serving(saying(b"HTTP/1.1 403 No\r\n\r\n"), server_context(tmp_path, "localhost")) as upstream:
        refused = await refusal(upstream.url("localhost", "wss"), trusting_context())
        assert refused.reason is Reason.UPSTREAM_REFUSED_UPGRADE


@on_both_loops
async def test_a_plain_upstream_behind_an_encrypted_url_is_left_after_the_connects_time() -> None:
    # It waits for a request's head, the dial for its part of the TLS handshake.
    async with serving(saying()) as upstream:
        refused = await refusal(upstream.url("localhost", "wss"), trusting_context(), connect=SHORT)
        assert refused.reason is Reason.UPSTREAM_TIMEOUT


@pytest.mark.parametrize(
    ("url", "host", "port", "host_header"),
    [
        ("ws://chat.test/ws", "chat.test", 80, "chat.test"),
        ("wss://chat.test", "chat.test", 443, "chat.test"),
        ("ws://chat.test:8080/ws?a=b", "chat.test", 8080, "chat.test:8080"),
        ("wss://[::1]:9000/", "::1", 9000, "[::1]:9000"),
    ],
)
def test_a_target_is_read_from_its_url(url: str, host: str, port: int, host_header: str) -> None:
    context = ssl.create_default_context()
    target = Target.from_url(url, context)
    assert (target.host, target.port, target.host_header) == (host, port, host_header)
    is_secure = url.startswith("wss")
    assert (target.tls, target.server_name) == ((context, host) if is_secure else (None, None))


@pytest.mark.parametrize("url", ["ws://:8080/", "ws:///path", "ws://[::1/", "ws://a.test:99999", "ws://a.test:x"])
def test_a_url_that_cannot_be_dialled_is_told_before_any_session_needs_it(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Target.from_url(url)
