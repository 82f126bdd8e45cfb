"""Answers of several pods become one listing in which a difference between pods shows."""

from typing import Any

import pytest

from wsgate_cli.plugin.pods import Problem
from wsgate_cli.plugin.views import VIEWS, merged, newest_first, refusals, remarks, revocations, routes, sessions


def answer(pod: str, *items: dict[str, Any], **extra: Any) -> dict[str, Any]:
    return {"pod": pod, "total": len(items), "truncated": False, "items": list(items), **extra}


def a_route(**changes: Any) -> dict[str, Any]:
    return {
        "route": "default/chat",
        "hostnames": [],
        "prefix": "/chat",
        "upstreams": ["ws://a", "ws://b"],
        "sessions": 2,
        "state": "Serving",
        "detail": "",
        **changes,
    }


def test_a_route_that_all_pods_serve_alike_is_one_row_with_all_sessions() -> None:
    (row,) = routes([answer("p1", a_route()), answer("p2", a_route(sessions=5))])
    assert (row["SESSIONS"], row["PODS"], row["ON"]) == ("7", "2/2", "p1, p2")
    assert (row["HOSTNAMES"], row["UPSTREAMS"], row["DETAIL"]) == ("*", "ws://a, ws://b", "-")


def test_a_route_that_pods_serve_differently_is_a_row_for_each_way() -> None:
    broken = a_route(state="Invalid", detail="prefix: bad")
    rows = routes([answer("p1", a_route()), answer("p2", broken), answer("p3", a_route())])
    assert [(row["STATE"], row["PODS"], row["ON"]) for row in rows] == [
        ("Serving", "2/3", "p1, p3"),
        ("Invalid", "1/3", "p2"),
    ]


def test_routes_are_in_the_order_of_their_keys() -> None:
    rows = routes([answer("p1", a_route(route="b/x"), a_route(route="a/x"))])
    assert [row["ROUTE"] for row in rows] == ["a/x", "b/x"]


def test_a_revocation_is_one_row_with_what_it_matches_and_all_its_channels() -> None:
    record = {
        "id": "default/a",
        "subject": "alice",
        "claim": {"claim": "tenant", "value": "acme"},
        "issuedBefore": 1_700_000_000,
        "expiresAt": 1_700_000_060,
    }
    answers = [
        answer("p1", {**record, "channels": ["redis", "file"]}),
        answer("p2", {**record, "channels": ["inbox"]}),
    ]
    (row,) = revocations(answers)
    assert row["MATCHES"] == "sub=alice tenant=acme iat<=2023-11-14T22:13:20Z"
    assert (row["EXPIRES"], row["SCOPE"], row["PODS"]) == ("2023-11-14T22:14:20Z", "*", "2/2")
    assert row["CHANNELS"] == "file, inbox, redis"


def test_a_revocation_that_a_pod_lacks_shows_by_its_count() -> None:
    record = {"id": "team/a", "namespace": "team", "jti": "j", "expiresAt": None, "channels": ["file"]}
    (row,) = revocations([answer("p1", record), answer("p2")])
    assert (row["SCOPE"], row["PODS"], row["EXPIRES"], row["MATCHES"]) == ("team", "1/2", "-", "jti=j")


@pytest.mark.parametrize("seconds", [10**18, -(10**18), "soon"])
def test_a_time_beyond_the_calendar_is_shown_as_it_is(seconds: object) -> None:
    (row,) = revocations([answer("p1", {"id": "a", "jti": "j", "expiresAt": seconds})])
    assert row["EXPIRES"] == str(seconds)


def test_sessions_of_all_pods_are_in_the_order_of_their_start_and_named_by_pod() -> None:
    old = {"uid": 7, "startedAt": "2026-01-01T00:00:00Z", "seconds": 200_000.5, "sub": None}
    new = {"uid": 7, "startedAt": "2026-01-02T00:00:00Z", "seconds": 12.9, "sub": "alice"}
    rows = sessions([answer("p1", new), answer("p2", old)])
    assert [(row["SESSION"], row["AGE"], row["SUB"]) for row in rows] == [
        ("p2/7", "2d", "-"),
        ("p1/7", "12s", "alice"),
    ]


@pytest.mark.parametrize(("seconds", "age"), [(0, "0s"), (119, "119s"), (120, "2m"), (7200, "2h"), (None, "-")])
def test_an_age_has_one_unit(seconds: float | None, age: str) -> None:
    (row,) = sessions([answer("p1", {"uid": 1, "seconds": seconds})])
    assert row["AGE"] == age


def test_refusals_of_all_pods_come_newest_first() -> None:
    answers = [
        answer("p1", {"time": "2026-01-01T00:00:00.001Z", "requestID": "a"}),
        answer("p2", {"time": "2026-01-01T00:00:00.002Z", "requestID": "b", "path": "/\x1b[2J"}),
    ]
    assert [item["requestID"] for _, item in newest_first(answers)] == ["b", "a"]
    assert [(row["POD"], row["PATH"]) for row in refusals(answers)] == [("p2", "/\\x1b[2J"), ("p1", "-")]


@pytest.mark.parametrize("kind", VIEWS)
def test_every_column_has_a_cell_even_where_a_pod_leaves_fields_out(kind: str) -> None:
    view = VIEWS[kind]
    (row,) = view.rows([answer("p1", {})])
    assert set(row) == set(view.titles)
    assert set(view.columns(is_wide=False)) == set(view.titles) - view.wide_only
    assert view.columns(is_wide=True) == list(view.titles)


def test_programs_get_items_with_their_pod_and_what_else_was_said() -> None:
    answers = [answer("p1", {"uid": 1}, version=3), answer("p2")]
    assert merged(answers, [Problem("p3", "gone")]) == {
        "items": [{"pod": "p1", "uid": 1}],
        "pods": [
            {"pod": "p1", "total": 1, "truncated": False, "version": 3},
            {"pod": "p2", "total": 0, "truncated": False},
        ],
        "problems": [{"pod": "p3", "detail": "gone"}],
    }


def test_a_listing_that_was_cut_and_a_stale_pod_are_remarked() -> None:
    found = remarks(
        [
            answer("p1", {}, truncated=True, total=5000),
            answer("p2", isStale=True, confirmedAt=None),
            answer("p3", isStale=False),
        ]
    )
    assert found == [
        "p1: shows 1 of 5000; filter to see the others",
        "p2: stale: no channel has confirmed its revocations since -",
    ]
