"""Below /admin/ nothing is done or told before the token, and everything is answered and audited."""

import asyncio
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.dataplane.admin.desk import BEARER, TOKEN, a_desk, a_session
from tests.support.loops import on_both_loops
from wsgate_dataplane.admin.auth import FAILURES_MAX
from wsgate_dataplane.admin.parts import Catalogue
from wsgate_dataplane.session.lifecycle import Phase

ENDPOINTS = [
    ("GET", "/admin/sessions"),
    ("GET", "/admin/routes"),
    ("GET", "/admin/revocations"),
    ("GET", "/admin/refusals"),
    ("POST", "/admin/revoke"),
    ("POST", "/admin/sessions/1/close"),
]
ANYWHERE = [*ENDPOINTS, ("GET", "/admin/"), ("GET", "/admin/nothing"), ("DELETE", "/admin/sessions")]
WRONG = {"Authorization": "Bearer wrong"}
REVOKE = b'{"sub":"alice"}'


@pytest.mark.parametrize(("method", "path"), ANYWHERE)
@pytest.mark.parametrize(
    ("headers", "status", "reason"),
    [({}, 401, "admin-token-missing"), (WRONG, 401, "admin-token-wrong")],
    ids=["missing", "wrong"],
)
@on_both_loops
async def test_without_the_right_token_nothing_happens_and_nothing_is_told(
    tmp_path: Path, method: str, path: str, headers: dict[str, str], status: int, reason: str
) -> None:
    async with a_desk(tmp_path) as desk:
        session = a_session(desk.parts.registry, "alice")
        sent = {**headers, "Content-Type": "application/json"}
        answer = await desk.ask(path, method, sent, data=REVOKE)
        assert (answer.status, answer.body["reason"], answer.body["status"]) == (status, reason, status)
        assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="wsgate"')
        assert answer.headers["Content-Type"].startswith("application/problem+json")
        assert "alice" not in str(answer.body)
        assert session.life.phase is Phase.PENDING
        assert desk.journal.load() == ()
        assert desk.logged("admin action") == []


@pytest.mark.parametrize(("method", "path"), ANYWHERE)
@on_both_loops
async def test_with_no_token_configured_everything_is_403_and_names_the_setting(
    tmp_path: Path, method: str, path: str
) -> None:
    async with a_desk(tmp_path, token=None) as desk:
        answer = await desk.ask(path, method)
        assert (answer.status, answer.body["reason"]) == (403, "admin-token-not-configured")
        assert "WSGATE_ADMIN_TOKEN_FILE" in answer.body["detail"]


@on_both_loops
async def test_an_empty_token_lets_nobody_in(tmp_path: Path) -> None:
    async with a_desk(tmp_path, token=SecretStr("")) as desk:
        for value in ("Bearer", "Bearer ", ""):
            assert (await desk.ask("/admin/sessions", headers={"Authorization": value})).status == 403


@on_both_loops
async def test_a_wrong_token_leaves_one_line_with_where_it_came_from_and_never_itself(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as desk:
        answer = await desk.ask("/admin/sessions?sub=alice", headers=WRONG)
        assert desk.lines == [
            (
                "admin request refused",
                {
                    "action": "GET /admin/sessions",
                    "address": "127.0.0.1",
                    "request_id": answer.headers["X-Request-Id"],
                    "reason": "admin-token-wrong",
                },
            )
        ]


@on_both_loops
async def test_guessing_is_answered_429_and_fills_no_log(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as desk:
        for _ in range(FAILURES_MAX):
            assert (await desk.ask("/admin/sessions", headers=WRONG)).status == 401
        for headers in (WRONG, WRONG, BEARER):
            answer = await desk.ask("/admin/sessions", headers=headers)
            assert (answer.status, answer.body["reason"]) == (429, "too-many-failures")
            assert 1 <= int(answer.headers["Retry-After"]) <= 61
        assert len(desk.lines) == FAILURES_MAX


@on_both_loops
async def test_two_authorization_headers_are_refused_though_one_is_right(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as desk:
        host, _, port = desk.url.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        line = f"Authorization: Bearer {TOKEN}\r\n"
        writer.write(f"GET /admin/sessions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{line * 2}\r\n".encode())
        received = await reader.read()
        writer.close()
        # Either aiohttp's parser or ours refuses it.
        assert received.split()[1] in (b"400", b"401")


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
@on_both_loops
async def test_every_answer_is_json_with_a_request_id_that_no_cache_keeps(
    tmp_path: Path, method: str, path: str
) -> None:
    async with a_desk(tmp_path) as desk:
        a_session(desk.parts.registry)
        sent = {**BEARER, "Content-Type": "application/json"}
        answer = await desk.ask(path, method, sent, data=REVOKE if method == "POST" else None)
        assert answer.status in (200, 202)
        assert answer.headers["Content-Type"].startswith("application/json")
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert len(answer.headers["X-Request-Id"]) == 32
        (audit,) = desk.logged("admin action")
        assert audit["action"] == f"{method} {path}"
        assert (audit["request_id"], audit["status"]) == (answer.headers["X-Request-Id"], answer.status)


@pytest.mark.parametrize(
    "path", ["/admin/", "/admin/nothing", "/admin/sessions/", "/admin/sessions/1", "/admin//"]
)
@on_both_loops
async def test_an_unknown_page_names_those_there_are(tmp_path: Path, path: str) -> None:
    async with a_desk(tmp_path) as desk:
        answer = await desk.ask(path)
        assert (answer.status, answer.body["reason"]) == (404, "page-not-found")
        assert "sessions, routes, revocations, refusals" in answer.body["detail"]
        assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/admin/sessions", "GET, HEAD"),
        ("PUT", "/admin/revoke", "POST"),
        ("GET", "/admin/revoke", "POST"),
        ("GET", "/admin/sessions/1/close", "POST"),
    ],
)
@on_both_loops
async def test_a_wrong_method_is_answered_405_with_the_right_one(
    tmp_path: Path, method: str, path: str, allowed: str
) -> None:
    async with a_desk(tmp_path) as desk:
        answer = await desk.ask(path, method)
        assert (answer.status, answer.body["reason"]) == (405, "method-not-allowed")
        assert answer.headers["Allow"] == allowed


@on_both_loops
async def test_a_defect_is_answered_500_with_a_traceback_in_the_log_only(tmp_path: Path) -> None:
    def broken() -> Catalogue:
        raise RuntimeError("secret detail")

    async with a_desk(tmp_path, catalogue=broken) as desk:
        answer = await desk.ask("/admin/routes")
        assert (answer.status, answer.body["reason"]) == (500, "unexpected")
        assert "secret" not in str(answer.body)
        assert desk.logged("unexpected") == [{"request_id": answer.headers["X-Request-Id"]}]
        assert (await desk.ask("/admin/sessions")).status == 200


@on_both_loops
async def test_a_long_path_is_logged_short(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as desk:
        await desk.ask("/admin/" + "x" * 5000)
        (audit,) = desk.logged("admin action")
        assert len(audit["action"]) == len("GET ") + 200
