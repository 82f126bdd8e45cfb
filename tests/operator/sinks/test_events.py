"""Events tell news: once, repeats as a series, and never more than a namespace's share."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.operator.sinks.api_server import Answer, ApiServer
from wsgate_operator.sinks.events import (
    NAMESPACE_BURST,
    NAMESPACE_SECONDS_PER_EVENT,
    NOTE_BYTES_MAX,
    REPEAT_SECONDS,
    EventSink,
    News,
)

NOW = 1769882400.0
CONFLICT = News("WsRoute", "team", "chat", "uid", "Warning", "Conflict", "Translate", "the older route wins")
ACCEPTED = replace(CONFLICT, type="Normal", reason="Accepted", note="served")

Scenario = Callable[[ApiServer, EventSink, list[float]], Awaitable[None]]


def run(scenario: Scenario) -> ApiServer:
    """Play it against a fresh server; the list holds the time."""
    server = ApiServer()

    async def play() -> None:
        now = [NOW]
        async with server.running() as calls:
            await scenario(server, EventSink(calls, lambda: now[0], "wsgate-operator-0"), now)

    asyncio.run(play())
    return server


def events(server: ApiServer) -> list[dict[str, Any]]:
    return list(server.objects.values())


def test_an_event_says_all_that_the_api_server_asks_for() -> None:
    async def scenario(_: ApiServer, sink: EventSink, __: list[float]) -> None:
        assert await sink.tell(CONFLICT)

    ((path, event),) = run(scenario).objects.items()
    assert path.startswith("/apis/events.k8s.io/v1/namespaces/team/events/chat-")
    del event["metadata"]
    assert event == {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "eventTime": "2026-01-31T18:00:00.000000Z",
        "type": "Warning",
        "reason": "Conflict",
        "action": "Translate",
        "note": "the older route wins",
        "regarding": {
            "apiVersion": "wsgate.dev/v1alpha1",
            "kind": "WsRoute",
            "namespace": "team",
            "name": "chat",
            "uid": "uid",
        },
        "reportingController": "wsgate.dev/operator",
        "reportingInstance": "wsgate-operator-0",
    }


@pytest.mark.parametrize("name", ["a" * 253, "a" * 199 + "." + "b" * 53])
def test_a_long_name_still_makes_a_valid_event_name(name: str) -> None:
    async def scenario(_: ApiServer, sink: EventSink, __: list[float]) -> None:
        assert await sink.tell(replace(CONFLICT, name=name))

    (event,) = events(run(scenario))
    assert event["metadata"]["generateName"].lstrip("a") == "-"


def test_the_same_news_is_told_once() -> None:
    async def scenario(_: ApiServer, sink: EventSink, now: list[float]) -> None:
        assert await sink.tell(CONFLICT)
        for _again in range(5):
            now[0] += REPEAT_SECONDS
            assert not await sink.tell(CONFLICT)

    assert run(scenario).calls.total() == 1


def test_verdicts_that_alternate_become_a_series() -> None:
    async def scenario(server: ApiServer, sink: EventSink, now: list[float]) -> None:
        for _again in range(10):
            await sink.tell(CONFLICT)
            await sink.tell(ACCEPTED)
        assert server.calls == {"POST": 2}
        now[0] += REPEAT_SECONDS
        assert await sink.tell(CONFLICT)
        assert server.calls == {"POST": 2, "PATCH": 1}

    found = {event["reason"]: event.get("series") for event in events(run(scenario))}
    assert found == {
        "Accepted": None,
        "Conflict": {"count": 11, "lastObservedTime": "2026-01-31T18:05:00.000000Z"},
    }


def test_a_series_whose_event_expired_begins_anew() -> None:
    async def scenario(server: ApiServer, sink: EventSink, now: list[float]) -> None:
        await sink.tell(CONFLICT)
        await sink.tell(ACCEPTED)
        server.objects.clear()
        now[0] += REPEAT_SECONDS
        assert await sink.tell(CONFLICT)

    (event,) = events(run(scenario))
    assert "series" not in event


def test_one_namespace_cannot_use_up_the_share_of_another() -> None:
    async def scenario(server: ApiServer, sink: EventSink, now: list[float]) -> None:
        told = [await sink.tell(replace(CONFLICT, note=f"edit {number}")) for number in range(100)]
        assert told == [True] * NAMESPACE_BURST + [False] * (100 - NAMESPACE_BURST)
        assert sink.withheld == 100 - NAMESPACE_BURST
        assert await sink.tell(replace(CONFLICT, namespace="other", uid="uid2"))
        now[0] += NAMESPACE_SECONDS_PER_EVENT
        assert await sink.tell(replace(CONFLICT, note="later"))
        assert not await sink.tell(replace(CONFLICT, note="latest"))

    assert run(scenario).calls.total() == NAMESPACE_BURST + 2


def test_a_clock_that_goes_back_gives_nothing_and_takes_nothing() -> None:
    async def scenario(_: ApiServer, sink: EventSink, now: list[float]) -> None:
        await sink.tell(CONFLICT)
        now[0] -= 3600
        assert await sink.tell(ACCEPTED)

    run(scenario)


@pytest.mark.parametrize("letter", ["x", "é", "漢"])
def test_a_long_note_is_cut_to_what_the_api_server_takes(letter: str) -> None:
    async def scenario(_: ApiServer, sink: EventSink, __: list[float]) -> None:
        await sink.tell(replace(CONFLICT, note=letter * 2_000))

    (event,) = events(run(scenario))
    assert event["note"].endswith(f"{letter}...")
    assert NOTE_BYTES_MAX - 5 < len(event["note"].encode()) <= NOTE_BYTES_MAX


def test_a_failure_is_logged_once_and_raised_never(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(server: ApiServer, sink: EventSink, _: list[float]) -> None:
        server.refuse = lambda *_: Answer(403)
        for number in range(5):
            assert not await sink.tell(replace(CONFLICT, note=f"edit {number}"))

    run(scenario)
    assert [record.message for record in caplog.records] == ["events not written"]


def test_news_of_a_config_map_stand_with_it_and_need_no_uid() -> None:
    about = replace(CONFLICT, kind="ConfigMap", namespace="wsgate-system", name="wsgate-routes", uid="")

    async def scenario(_: ApiServer, sink: EventSink, __: list[float]) -> None:
        assert await sink.tell(about)
        assert not await sink.tell(about)
        assert await sink.tell(replace(about, name="wsgate-revocations"))

    first, second = events(run(scenario))
    regarding = {"apiVersion": "v1", "kind": "ConfigMap", "namespace": "wsgate-system"}
    assert first["regarding"] == {**regarding, "name": "wsgate-routes"}
    assert second["regarding"] == {**regarding, "name": "wsgate-revocations"}
