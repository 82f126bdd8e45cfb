"""A revocation is recorded first, closes then, and no body that is not understood does either."""

import asyncio
import json
import uuid
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dataplane.admin.desk import BEARER, NOW, SECONDS, a_desk, a_session
from tests.support.loops import eventually, on_both_loops, turns
from tests.support.world import World
from wsgate_contract.revocation import RevocationRecord
from wsgate_contract.revocation_log import EVENT_PREFIX, member_of
from wsgate_dataplane.admin import revoke as module
from wsgate_dataplane.admin.answers import AdminProblem, Fault
from wsgate_dataplane.admin.body import BODY_BYTES_MAX, parse_body
from wsgate_dataplane.admin.journal import RevocationJournal
from wsgate_dataplane.admin.revoke import EXAMPLE, RevokeRequest
from wsgate_dataplane.session.lifecycle import Phase

JSON_HEADERS = {**BEARER, "Content-Type": "application/json"}


@on_both_loops
async def test_sub_and_jti_as_in_the_original_revoke_that_token_until_the_settings_time(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as desk:
        answer = await desk.revoke(sub="user123", jti="abcde-uuid-123")
        assert (answer.status, answer.body["closed"]) == (202, 0)
        (record,) = desk.journal.load()
        assert record == RevocationRecord(
            id=answer.body["id"], subject="user123", jti="abcde-uuid-123", expires_at=int(NOW) + SECONDS
        )
        assert record.id.startswith(EVENT_PREFIX)
        assert uuid.UUID(record.id.removeprefix(EVENT_PREFIX)).version == 4


@pytest.mark.parametrize("authorization", [None, "Bearer guessed"])
@on_both_loops
async def test_defect_10_nobody_revokes_without_the_admin_token(tmp_path: Path, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    world = World(tmp_path, WSGATE_ADMIN_TOKEN="secret")
    world.route(upstream=await world.upstream())
    async with world.running(), world.connect(token=world.token()) as client:
        async with (
            aiohttp.ClientSession(headers=headers) as http,
            http.post(f"{world.admin_url}/admin/revoke", json={"sub": "alice"}) as response,
        ):
            assert response.status == 401
        await client.send("still here")
        assert await client.recv() == "still here"


@on_both_loops
async def test_sub_alone_kicks_what_was_issued_so_far_and_iss_narrows(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as desk:
        answer = await desk.revoke(sub="alice", iss="https://i")
        (record,) = desk.journal.load()
        assert record == RevocationRecord(
            id=answer.body["id"],
            subject="alice",
            issuer="https://i",
            issued_before=int(NOW),
            expires_at=int(NOW) + SECONDS,
        )


@on_both_loops
async def test_only_sessions_that_match_all_that_is_given_are_closed_and_counted(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as desk:
        registry = desk.parts.registry
        named = a_session(registry, "alice", jti="j-1")
        others = [a_session(registry, "alice", jti="j-2"), a_session(registry, "bob", jti="j-1")]
        answer = await desk.revoke(sub="alice", jti="j-1")
        assert answer.body["closed"] == 1
        assert named.life.phase is not Phase.PENDING
        assert {each.life.phase for each in others} == {Phase.PENDING}


@on_both_loops
async def test_the_same_request_twice_is_harmless(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as desk:
        a_session(desk.parts.registry, "alice", jti="j-1")
        answers = [await desk.revoke(sub="alice", jti="j-1") for _ in range(2)]
        assert [(each.status, each.body["closed"]) for each in answers] == [(202, 1), (202, 0)]
        assert len({each.body["id"] for each in answers}) == 2


@on_both_loops
async def test_a_session_that_another_channel_ends_while_the_record_is_written_counts(tmp_path: Path) -> None:
    class Overtaken:
        """What it takes comes back by the log before it answers."""

        async def append(self, record: RevocationRecord) -> None:
            desk.parts.registry.revoke([record], NOW)

    async with a_desk(tmp_path, inbox=Overtaken()) as desk:
        a_session(desk.parts.registry, "alice", jti="j-1")
        bystander = a_session(desk.parts.registry, "bob", jti="j-2")
        assert (await desk.revoke(sub="alice", jti="j-1")).body["closed"] == 1
        assert bystander.life.phase is Phase.PENDING


@on_both_loops
async def test_the_answer_waits_for_the_inbox_and_so_does_the_closing(tmp_path: Path) -> None:
    inbox = Slow()
    async with a_desk(tmp_path, inbox=inbox) as desk, asyncio.TaskGroup() as tasks:
        session = a_session(desk.parts.registry, "alice")
        asked = tasks.create_task(desk.revoke(sub="alice"))
        await inbox.began.wait()
        assert session.life.phase is Phase.PENDING
        assert not asked.done()
        inbox.go_on.set()
        assert (await asked).body["closed"] == 1


class Slow:
    """An inbox that takes its time, or for ever."""

    def __init__(self) -> None:
        self.began, self.go_on = asyncio.Event(), asyncio.Event()

    async def append(self, record: RevocationRecord) -> None:
        self.began.set()
        await self.go_on.wait()


class Broken:
    """An inbox with a fault."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def append(self, record: RevocationRecord) -> None:
        raise self._error


@pytest.mark.parametrize("error", [ConnectionRefusedError("no route"), RuntimeError("OOM"), TimeoutError()])
@on_both_loops
async def test_without_a_record_nothing_is_closed_and_the_answer_is_503(tmp_path: Path, error: Exception) -> None:
    async with a_desk(tmp_path, inbox=Broken(error)) as desk:
        session = a_session(desk.parts.registry, "alice")
        answer = await desk.revoke(sub="alice")
        assert (answer.status, answer.body["reason"]) == (503, "not-recorded")
        assert answer.headers["Retry-After"] == "1"
        assert session.life.phase is Phase.PENDING
        (fault,) = desk.logged("revocation not recorded")
        assert fault["error"] == (str(error) or type(error).__name__)
        assert str(error) not in answer.body["detail"] or not str(error)


@on_both_loops
async def test_an_inbox_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "APPEND_SECONDS_MAX", 0.05)
    async with a_desk(tmp_path, inbox=Slow()) as desk:
        assert (await desk.revoke(sub="alice")).status == 503


@on_both_loops
async def test_a_revocation_survives_the_process_that_took_it(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as desk:
        answer = await desk.revoke(sub="alice", jti="j-1")
    journal = RevocationJournal.open(tmp_path / "state", lambda: NOW)
    assert [each.id for each in journal.load()] == [answer.body["id"]]
    journal.close()


@pytest.mark.parametrize(("mode", "shown"), [("plain", "alice"), ("hash", "2bd806c97f0e00af"), ("none", None)])
@on_both_loops
async def test_the_audit_line_names_actor_and_record_and_shows_identity_as_the_setting_lets_it(
    tmp_path: Path, mode: str, shown: str | None
) -> None:
    async with a_desk(tmp_path, log_identity=mode) as desk:
        answer = await desk.revoke(sub="alice", jti="j-1", iss="https://i")
        (audit,) = desk.logged("admin action")
        assert audit["actor"].startswith("token-")
        assert audit["request_id"] == answer.headers["X-Request-Id"]
        assert (audit["action"], audit["status"], audit["address"]) == ("POST /admin/revoke", 202, "127.0.0.1")
        assert (audit["record"], audit["closed"]) == (answer.body["id"], 0)
        assert (audit["sub"], audit["iss"]) == (shown, "https://i")


DEEP = b'{"sub":' + b"[" * 1000 + b"]" * 1000 + b"}"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "body: not JSON"),
        (b"sub=alice", "body: not JSON"),
        (b"[]", "body: not a JSON object"),
        (b"null", "body: not a JSON object"),
        (b'"alice"', "body: not a JSON object"),
        (b'{"sub":"alice"', "body: not JSON"),
        (b'{"sub":"alice"}{"sub":"bob"}', "body: not JSON"),
        (b"\xef\xbb\xbf" + b'{"sub":"alice"}', "body: not JSON"),
        (b'{"sub":"ali\x00ce"}', "body: not JSON"),
        (b'{"sub":"\xff"}', "body: not UTF-8"),
        (json.dumps({"sub": "alice"}).encode("utf-16"), "body: not UTF-8"),
        (b'{"sub":"\\ud800"}', "body: a lone surrogate"),
        (b'{"sub":"alice","sub":"bob"}', "body: a duplicate member name"),
        (b'{"sub":NaN}', "body: NaN is not JSON"),
        (b'{"sub":1e999}', "body: a number beyond"),
        (b'{"sub":' + b"9" * 5000 + b"}", "body: an integer of more than"),
        (DEEP, "body: nested deeper than"),
        (b"{}", "sub: missing"),
        (b'{"jti":"j-1"}', "sub: missing"),
        (b'{"sub":""}', "sub: empty"),
        (b'{"sub":"alice","jti":""}', "jti: empty"),
        (b'{"sub":"alice","iss":""}', "iss: empty"),
        (b'{"sub":null}', "sub: not a string"),
        (b'{"sub":"alice","jti":null}', "jti: not a string"),
        (b'{"sub":"alice","iss":null}', "iss: not a string"),
        (b'{"sub":5}', "sub: not a string"),
        (b'{"sub":true}', "sub: not a string"),
        (b'{"sub":["alice"]}', "sub: not a string"),
        (b'{"sub":"alice","jti":{"a":1}}', "jti: not a string"),
        (b'{"sub":"alice","JTI":"j-1"}', "'JTI': no such field, there are sub, jti, iss"),
        (b'{"sub":"alice","exp":1,"x\\u0000":2}', "'x\\x00': no such field"),
        (json.dumps({"sub": "x" * 1025}).encode(), "sub: string should have at most 1024 characters"),
        (json.dumps({"sub": "x", "jti": "x" * 513}).encode(), "jti: string should have at most 512 characters"),
        (json.dumps({"sub": "x" * BODY_BYTES_MAX}).encode(), "body: more than 16384 bytes"),
        (b" " * 1_000_000, "body: more than 16384 bytes"),
    ],
    ids=lambda value: str(value)[:40],
)
@on_both_loops
async def test_a_body_that_is_not_understood_is_refused_with_field_and_fix_and_does_nothing(
    tmp_path: Path, body: bytes, words: str
) -> None:
    async with a_desk(tmp_path) as desk:
        sessions = [a_session(desk.parts.registry, name, jti="j-1") for name in ("alice", "bob", "x")]
        answer = await desk.ask("/admin/revoke", "POST", JSON_HEADERS, data=body)
        assert (answer.status, answer.body["reason"]) == (400, "body-invalid")
        assert words in answer.body["detail"]
        assert '{"sub": "user123"' in answer.body["detail"]
        assert desk.journal.load() == ()
        assert {each.life.phase for each in sessions} == {Phase.PENDING}
        assert desk.logged("unexpected") == []


@on_both_loops
async def test_a_caller_that_leaves_in_the_middle_of_its_body_is_no_defect(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as desk:
        await leave(desk.url, b'{"sub":')
        await eventually(lambda: desk.logged("admin action"), "the request is over")
        assert desk.logged("admin action")[0]["status"] == 400
        assert desk.logged("unexpected") == []
        assert desk.journal.load() == ()


@on_both_loops
async def test_a_caller_that_leaves_before_the_answer_has_revoked_all_the_same(tmp_path: Path) -> None:
    inbox = Slow()
    async with a_desk(tmp_path, inbox=inbox) as desk:
        session = a_session(desk.parts.registry, "alice")
        await leave(desk.url, b'{"sub":"alice"}')
        await inbox.began.wait()
        inbox.go_on.set()
        await eventually(lambda: desk.logged("admin action"), "the request is over")
        assert session.life.phase is not Phase.PENDING
        assert desk.logged("admin action")[0]["closed"] == 1


async def leave(url: str, body: bytes) -> None:
    """Send a body, of which 15 bytes are announced, and go."""
    host, _, port = url.removeprefix("http://").partition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    headers = {**JSON_HEADERS, "Content-Length": "15"}
    lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
    writer.write(f"POST /admin/revoke HTTP/1.1\r\nHost: x\r\n{''.join(lines)}\r\n".encode() + body)
    await writer.drain()
    await turns(50)
    writer.close()
    await writer.wait_closed()


NAMES = st.sampled_from(["sub", "jti", "iss", "x", ""])
LEAVES: st.SearchStrategy[Any] = st.none() | st.booleans() | st.integers() | st.text(max_size=9)
VALUES: st.SearchStrategy[Any] = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=9
)
BODIES = st.binary() | st.builds(lambda value: json.dumps(value).encode(), st.dictionaries(NAMES, VALUES) | VALUES)


@given(BODIES)
def test_any_body_is_understood_or_refused_by_the_one_error(body: bytes) -> None:
    try:
        wanted = parse_body(body, RevokeRequest, EXAMPLE)
    except AdminProblem as problem:
        assert problem.fault is Fault.BODY_INVALID
        return
    record = wanted.to_record("event:1", 5, 6)
    assert record.subject
    assert record.expires_at == 11
    # Either one token, or what was issued so far: a ban never comes from here.
    assert (record.jti is None) == (record.issued_before == 5)
    assert RevocationRecord.model_validate_json(member_of(record)) == record


@on_both_loops
async def test_a_real_client_is_closed_with_1008_and_bystanders_go_on(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.route(upstream=await world.upstream())
    async with (
        world.running(),
        world.connect(token=world.token("alice", jti="j-1")) as named,
        world.connect(token=world.token("alice", jti="j-2")) as other,
        a_desk(tmp_path, apply=lambda record: world.plane.registry.revoke([record], NOW)) as desk,
    ):
        assert (await desk.revoke(sub="alice", jti="j-1")).body["closed"] == 1
        await asyncio.wait_for(named.wait_closed(), 5)
        assert (named.close_code, named.close_reason) == (1008, "token revoked")
        await other.send("untouched")
        assert await other.recv() == "untouched"
