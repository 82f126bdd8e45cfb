"""A request's body is taken whole, in time and as JSON, or refused with what to send."""

import asyncio
import json
from pathlib import Path

import pytest

from tests.dataplane.admin.desk import BEARER, Answer, a_desk
from tests.support.loops import on_both_loops, turns
from wsgate_dataplane.admin import body as body_module


@on_both_loops
async def test_many_faults_are_named_together_but_not_without_end(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as desk:
        body = {f"field-{number}": 1 for number in range(1000)}
        detail = (await desk.revoke(**body)).body["detail"]
        assert detail.startswith("sub: missing; 'field-0': no such field")
        assert len(detail) < 1000


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"Content-Type": "application/x-www-form-urlencoded"}, "Content-Type: send application/json"),
        ({"Content-Type": "text/plain"}, "Content-Type: send application/json"),
        ({"Content-Type": "application/jsonp"}, "Content-Type: send application/json"),
        ({"Content-Type": ""}, "Content-Type: send application/json"),
        ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, "Content-Encoding: send the body as"),
        ({"Content-Type": "application/json", "Content-Encoding": "x"}, "Content-Encoding: send the body as"),
    ],
)
@on_both_loops
async def test_a_body_of_another_type_or_encoding_is_not_looked_at(
    tmp_path: Path, headers: dict[str, str], words: str
) -> None:
    async with a_desk(tmp_path) as desk:
        answer = await post_raw(desk.url, b'{"sub":"alice"}', {"Content-Length": "15", **headers})
        assert (answer.status, answer.body["reason"]) == (400, "body-invalid")
        assert words in answer.body["detail"]
        assert desk.journal.load() == ()


async def post_raw(url: str, body: bytes, headers: dict[str, str], *later: bytes) -> Answer:
    """Past the client library, which would compress, or refuse, by itself; later is sent after a moment."""
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    lines = [f"{name}: {value}\r\n" for name, value in {**BEARER, **headers}.items()]
    writer.write(f"POST /admin/revoke HTTP/1.1\r\nHost: x\r\n{''.join(lines)}\r\n".encode() + body)
    for part in later:
        await writer.drain()
        await turns()
        writer.write(part)
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    length = next(int(line.split()[1]) for line in head.splitlines() if line.startswith("Content-Length"))
    content = await reader.readexactly(length)
    writer.close()
    return Answer(int(head.split()[1]), {}, json.loads(content))


@on_both_loops
async def test_a_charset_beside_the_type_is_fine(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as desk:
        headers = {**BEARER, "Content-Type": "application/json; charset=utf-8"}
        answer = await desk.ask("/admin/revoke", "POST", headers, data=b'{"sub":"alice"}')
        assert answer.status == 202


@on_both_loops
async def test_a_body_that_does_not_come_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_module, "BODY_SECONDS_MAX", 0.05)
    async with a_desk(tmp_path) as desk:
        headers = {"Content-Type": "application/json", "Content-Length": "15"}
        answer = await post_raw(desk.url, b'{"sub":', headers)
        assert (answer.status, answer.body["detail"]) == (400, "body: not complete within 0.05 s.")


@on_both_loops
async def test_a_body_with_broken_chunks_is_given_up_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_module, "BODY_SECONDS_MAX", 0.2)
    async with a_desk(tmp_path) as desk:
        headers = {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}
        answer = await post_raw(desk.url, b"", headers, b'7\r\n{"sub":\r\n', b"zz\r\n")
        assert (answer.status, answer.body["reason"]) == (400, "body-invalid")
        assert desk.logged("unexpected") == []
        assert desk.journal.load() == ()
