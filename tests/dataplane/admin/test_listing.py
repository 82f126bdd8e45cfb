"""Each listing says what this process knows, filtered and bounded."""

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.dataplane.admin.desk import NOW, a_desk, a_route, a_session
from tests.support.loops import on_both_loops
from tests.support.world import World
from wsgate_contract.revocation import RevocationRecord
from wsgate_contract.revocation_log import member_of
from wsgate_dataplane.admin.listing import SLICE_ITEMS, select
from wsgate_dataplane.admin.query import ITEMS_MAX
from wsgate_dataplane.handshake.serving import Catalogue, build_catalogue
from wsgate_dataplane.outcomes.table import OUTCOMES, Reason
from wsgate_dataplane.revocation.view import RevocationView
from wsgate_dataplane.settings import Settings
from wsgate_dataplane.snapshot.files import InvalidRoute, RoutesFile
from wsgate_dataplane.telemetry.refusals import Refusal, RefusalRing

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
AT_NOW = "2023-11-14T22:13:20.000Z"


def names(items: Sequence[dict[str, Any]], key: str) -> list[Any]:
    return [item[key] for item in items]


@on_both_loops
async def test_a_session_is_listed_with_all_that_is_known_of_it(tmp_path: Path) -> None:
    async with a_desk(tmp_path, session_expires_at=lambda session: NOW) as desk:
        session = a_session(desk.parts.registry, "alice", issuer="https://i", jti="j-1", session_id="s-1")
        answer = await desk.ask("/admin/sessions")
        assert answer.status == 200
        (item,) = answer.body.pop("items")
        assert answer.body == {"pod": "pod-1", "total": 1, "truncated": False}
        assert MOMENT.fullmatch(item.pop("startedAt"))
        assert 0 <= item.pop("seconds") < 60
        assert item == {
            "uid": session.uid,
            "route": "default/echo",
            "address": "192.0.2.7",
            "requestID": "r-1",
            "iss": "https://i",
            "sub": "alice",
            "sid": "s-1",
            "jti": "j-1",
            "expiresAt": AT_NOW,
        }


@on_both_loops
async def test_a_session_without_a_token_that_does_not_age_shows_null(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as desk:
        a_session(desk.parts.registry, None)
        (item,) = (await desk.ask("/admin/sessions")).body["items"]
        assert {item[key] for key in ("iss", "sub", "sid", "jti", "expiresAt")} == {None}


@on_both_loops
async def test_an_expiry_beyond_the_calendar_is_shown_as_its_end(tmp_path: Path) -> None:
    async with a_desk(tmp_path, session_expires_at=lambda session: 1e18) as desk:
        a_session(desk.parts.registry)
        (item,) = (await desk.ask("/admin/sessions")).body["items"]
        assert item["expiresAt"] == "9999-12-31T23:59:59.000Z"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("sub=alice", ["a1", "a2"]),
        ("jti=b1", ["b1"]),
        ("route=default/other", ["a2"]),
        ("sub=alice&route=default/echo", ["a1"]),
        ("sub=bob&jti=a1", []),
        ("sub=nobody", []),
        ("sub=%00%F0%9F%98%80%2B", []),
    ],
)
@on_both_loops
async def test_sessions_are_filtered_by_all_that_is_given(tmp_path: Path, query: str, found: list[str]) -> None:
    async with a_desk(tmp_path) as desk:
        a_session(desk.parts.registry, "alice", jti="a1")
        a_session(desk.parts.registry, "alice", "other", jti="a2")
        a_session(desk.parts.registry, "bob", jti="b1")
        body = (await desk.ask(f"/admin/sessions?{query}")).body
        assert names(body["items"], "jti") == found
        assert body["total"] == len(found)


@on_both_loops
async def test_an_answer_is_bounded_and_says_that_there_is_more(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as desk:
        for _ in range(ITEMS_MAX + 1):
            a_session(desk.parts.registry)
        for query, count in (("", ITEMS_MAX), ("?limit=2", 2)):
            body = (await desk.ask(f"/admin/sessions{query}")).body
            assert (len(body["items"]), body["total"], body["truncated"]) == (count, ITEMS_MAX + 1, True)


@pytest.mark.parametrize("listing", ["sessions", "routes", "revocations", "refusals"])
@pytest.mark.parametrize("query", ["nonsense=1", "limit=0", "limit=1001", "limit=1&limit=2", "limit="])
@on_both_loops
async def test_a_query_that_is_not_understood_is_refused(tmp_path: Path, listing: str, query: str) -> None:
    async with a_desk(tmp_path) as desk:
        answer = await desk.ask(f"/admin/{listing}?{query}")
        assert (answer.status, answer.body["reason"]) == (400, "query-invalid")
        assert query.split("=")[0] in answer.body["detail"]


@on_both_loops
async def test_routes_are_listed_with_their_sessions_and_faults(tmp_path: Path) -> None:
    weighted = [{"url": "ws://one.example"}, {"url": "ws://two.example"}]
    upstreams = a_route("b", hostnames=["x.example"], upstream=None, upstreams=weighted)
    good = build_catalogue(RoutesFile(6, "", (a_route("a"), upstreams), ()), Catalogue(), Settings())
    invalid = (
        InvalidRoute("default/a", {"prefix": "/a"}, "sinceTheFuture: not understood"),
        InvalidRoute("default/c", {"prefix": "/c", "hostnames": ["c.example"]}, "broken"),
        InvalidRoute("default/d", {}, "broken"),
    )
    catalogue = build_catalogue(RoutesFile(7, "", (upstreams,), invalid), good, Settings())
    async with a_desk(tmp_path, catalogue=lambda: catalogue) as desk:
        for _ in range(2):
            a_session(desk.parts.registry, route="b")
        body = (await desk.ask("/admin/routes")).body
        assert (body["pod"], body["version"], body["total"], body["truncated"]) == ("pod-1", 7, 4, False)
        assert body["items"] == [
            {
                "route": "default/a",
                "hostnames": [],
                "prefix": "/a",
                "upstreams": ["ws://up.example"],
                "sessions": 0,
                "state": "Invalid",
                "detail": "sinceTheFuture: not understood; its last good version is served",
            },
            {
                "route": "default/b",
                "hostnames": ["x.example"],
                "prefix": "/b",
                "upstreams": ["ws://one.example", "ws://two.example"],
                "sessions": 2,
                "state": "Serving",
                "detail": "",
            },
            {
                "route": "default/c",
                "hostnames": ["c.example"],
                "prefix": "/c",
                "upstreams": [],
                "sessions": 0,
                "state": "Invalid",
                "detail": "broken",
            },
            {
                "route": "default/d",
                "hostnames": [],
                "prefix": "",
                "upstreams": [],
                "sessions": 0,
                "state": "Invalid",
                "detail": "broken",
            },
        ]
        one = (await desk.ask("/admin/routes?route=default/b")).body
        assert (names(one["items"], "route"), one["total"]) == (["default/b"], 1)
        assert (await desk.ask("/admin/routes?limit=3")).body["truncated"] is True


def a_view() -> RevocationView:
    one = RevocationRecord(id="default/a", namespace="default", subject="alice", issued_before=5)
    two = RevocationRecord(id="event:b", subject="bob", jti="j-1", expires_at=9)
    view = RevocationView()
    view.add("redis", member_of(one))
    view.add("file", member_of(one))
    view.add("inbox", member_of(two))
    view.confirm("redis", NOW)
    return view


@on_both_loops
async def test_revocations_are_listed_with_the_channels_that_hold_them(tmp_path: Path) -> None:
    async with a_desk(tmp_path, view=a_view(), stale_seconds=-1) as desk:
        assert (await desk.ask("/admin/revocations")).body == {
            "pod": "pod-1",
            "total": 2,
            "truncated": False,
            "isStale": True,
            "confirmedAt": AT_NOW,
            "channels": [
                {"name": "redis", "records": 1, "confirmedAt": AT_NOW},
                {"name": "inbox", "records": 1, "confirmedAt": None},
                {"name": "file", "records": 1, "confirmedAt": None},
            ],
            "items": [
                {
                    "id": "default/a",
                    "namespace": "default",
                    "subject": "alice",
                    "issuedBefore": 5,
                    "channels": ["redis", "file"],
                },
                {"id": "event:b", "subject": "bob", "jti": "j-1", "expiresAt": 9, "channels": ["inbox"]},
            ],
        }


@pytest.mark.parametrize(
    ("query", "found"), [("sub=alice", "default/a"), ("jti=j-1", "event:b"), ("id=event:b", "event:b")]
)
@on_both_loops
async def test_revocations_are_filtered(tmp_path: Path, query: str, found: str) -> None:
    async with a_desk(tmp_path, view=a_view(), stale_seconds=-1) as desk:
        body = (await desk.ask(f"/admin/revocations?{query}")).body
        assert (names(body["items"], "id"), body["total"]) == ([found], 1)


@on_both_loops
async def test_a_view_that_was_never_confirmed_shows_null(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as desk:
        body = (await desk.ask("/admin/revocations")).body
        assert (body["isStale"], body["confirmedAt"], body["items"]) == (True, None, [])


def refusal(request_id: str, subject: str | None) -> Refusal:
    return Refusal(
        NOW, request_id, Reason.TOKEN_EXPIRED, "exp: found 5", "/echo", "192.0.2.1", 401, "default/echo", subject
    )


@on_both_loops
async def test_refusals_are_listed_newest_first_with_their_advice(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as desk:
        desk.parts.refusals.add(refusal("r-1", "alice"))
        desk.parts.refusals.add(refusal("r-2", None))
        body = (await desk.ask("/admin/refusals")).body
        assert names(body["items"], "requestID") == ["r-2", "r-1"]
        assert body["items"][1] == {
            "time": AT_NOW,
            "requestID": "r-1",
            "reason": "token-expired",
            "detail": "exp: found 5",
            "advice": OUTCOMES[Reason.TOKEN_EXPIRED].advice,
            "route": "default/echo",
            "path": "/echo",
            "address": "192.0.2.1",
            "sub": "alice",
            "status": 401,
        }
        body = (await desk.ask("/admin/refusals?limit=1")).body
        assert (names(body["items"], "requestID"), body["total"], body["truncated"]) == (["r-2"], 2, True)


@pytest.mark.parametrize(
    ("query", "found"), [("requestID=r-2", ["r-2"]), ("sub=alice", ["r-1"]), ("sub=alice&requestID=r-2", [])]
)
@on_both_loops
async def test_refusals_are_found_by_request_and_by_subject(tmp_path: Path, query: str, found: list[str]) -> None:
    ring = RefusalRing("hash")
    async with a_desk(tmp_path, refusals=ring) as desk:
        ring.add(refusal("r-1", "alice"))
        ring.add(refusal("r-2", "bob"))
        body = (await desk.ask(f"/admin/refusals?{query}")).body
        assert names(body["items"], "requestID") == found
        assert "alice" not in str(body)


@on_both_loops
async def test_asking_for_a_subject_that_is_never_kept_is_an_error_and_not_an_empty_answer(
    tmp_path: Path,
) -> None:
    async with a_desk(tmp_path, refusals=RefusalRing("none")) as desk:
        answer = await desk.ask("/admin/refusals?sub=alice")
        assert (answer.status, answer.body["reason"]) == (400, "query-invalid")
        assert "WSGATE_LOG_IDENTITY" in answer.body["detail"]


@on_both_loops
async def test_an_open_session_of_a_real_client_is_listed(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.route(upstream=await world.upstream())
    async with (
        world.running(),
        world.connect(token=world.token("alice", jti="j-1")),
        a_desk(tmp_path, registry=world.plane.registry) as desk,
    ):
        (item,) = (await desk.ask("/admin/sessions?sub=alice")).body["items"]
        assert (item["route"], item["address"], item["jti"]) == ("default/echo", "127.0.0.1", "j-1")


@on_both_loops
async def test_a_long_list_is_looked_at_in_slices_between_which_others_run() -> None:
    slices: list[int] = []
    seen = 0

    def is_wanted(item: int) -> bool:
        nonlocal seen
        seen += 1
        return item % 2 == 0

    async def watch() -> None:
        while seen < 3 * SLICE_ITEMS:
            slices.append(seen)
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        selecting = tasks.create_task(select(range(3 * SLICE_ITEMS), is_wanted, 3))
        tasks.create_task(watch())
    assert (selecting.result().items, selecting.result().total) == ([0, 2, 4], 3 * SLICE_ITEMS // 2)
    assert slices == [SLICE_ITEMS, 2 * SLICE_ITEMS]
