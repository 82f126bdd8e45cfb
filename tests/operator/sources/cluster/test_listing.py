"""A list is whole, or an error that names the way out; and nobody can flood the API server with lists."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from tests.operator.sources.cluster.api_server import (
    Answer,
    ApiServer,
    answer,
    half,
    hang,
    kubeconfig,
    list_response,
    serving,
)
from wsgate_operator.sources.cluster import listing as module
from wsgate_operator.sources.cluster.connection import connect
from wsgate_operator.sources.cluster.listing import Lister, ListError, ListPauses

CALL_SECONDS = 0.3


class Clock:
    """Time that passes by sleeping only."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@asynccontextmanager
async def listing(folder: Path) -> AsyncIterator[tuple[ApiServer, Lister, Clock, list[str]]]:
    clock, calls = Clock(), list[str]()
    async with serving() as server, await connect(kubeconfig(folder, server.url)) as api:
        lister = Lister(
            api,
            on_call=lambda verb, outcome: calls.append(f"{verb} {outcome}"),
            pauses=ListPauses(1.0, 8.0),
            call_seconds=CALL_SECONDS,
            clock=clock,
            sleep=clock.sleep,
        )
        yield server, lister, clock, calls


def fault_of(folder: Path, fault: Answer) -> tuple[str, list[str]]:
    """The error's text and the calls."""

    async def run() -> tuple[str, list[str]]:
        async with listing(folder) as (server, lister, _, calls):
            await server.put("WsRoute", "chat")
            server.faults["list wsroutes"] = fault
            with pytest.raises(ListError) as caught:
                await lister.list_all()
            return str(caught.value), calls

    return asyncio.run(run())


def test_both_kinds_are_listed_by_pages_with_the_configured_credentials(tmp_path: Path) -> None:
    async def run() -> None:
        async with listing(tmp_path) as (server, lister, _, calls):
            server.page_objects = 2
            for name in "abcde":
                await server.put("WsRoute", name, prefix=f"/{name}")
            await server.put("TokenRevocation", "alice", subject="alice")
            found = await lister.list_all()
            assert [made["metadata"]["name"] for made in found.routes] == list("abcde")
            assert [made["spec"] for made in found.revocations] == [{"subject": "alice"}]
            assert found.versions == {"WsRoute": "106", "TokenRevocation": "106"}
            assert calls == ["list 200"] * 4
            assert set(server.tokens) == {"Bearer secret"}

    asyncio.run(run())


def test_large_objects_are_asked_for_few_at_a_time_and_kept_without_annotations(tmp_path: Path) -> None:
    async def run() -> None:
        async with listing(tmp_path) as (server, lister, _, calls):
            for number in range(51):
                made = await server.put("WsRoute", f"r{number:02}", prefix=f"/{number}")
                server.objects["WsRoute", made["metadata"]["name"]]["metadata"]["annotations"] = {"a": "x" * 1_000}
            found = await lister.list_all()
            assert len(found.routes) == 51 and calls == ["list 200"] * 3
            assert not [made for made in found.routes if "annotations" in made["metadata"]]

    asyncio.run(run())


def test_an_empty_cluster_is_a_complete_list(tmp_path: Path) -> None:
    async def run() -> None:
        async with listing(tmp_path) as (_, lister, clock, _):
            found = await lister.list_all()
            assert (found.routes, found.revocations, clock.slept) == ((), (), [0.0])

    asyncio.run(run())


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (401, "credentials"),
        (403, "allow the verb list on wsroutes.wsgate.dev"),
        (404, "apply the CRDs"),
        (409, "unexpected answer to list wsroutes (409)"),
        (410, "is gone (410)"),
        (429, "too busy"),
        (500, "failed to list wsroutes (500)"),
        (204, "unexpected answer to list wsroutes (204)"),
    ],
)
def test_any_answer_but_200_is_an_error_that_names_the_way_out(tmp_path: Path, status: int, told: str) -> None:
    text, calls = fault_of(tmp_path, answer(status))
    assert told in text
    assert calls == ["list 200", f"list {status}"]


@pytest.mark.parametrize(
    "body",
    [
        "<html>",
        '{"kind": "WsRouteList", "items": [',
        "[]",
        "null",
        "{}",
        "[" * 100_000,
        '{"kind": "WsRouteList", "metadata": {}, "items": []}',
        '{"kind": "WsRouteList", "metadata": {"resourceVersion": ""}, "items": []}',
        '{"kind": "WsRouteList", "metadata": {"resourceVersion": "1"}, "items": null}',
        '{"kind": "WsRouteList", "metadata": {"resourceVersion": "1"}, "items": [7]}',
        '{"kind": "WsRouteList", "metadata": {"resourceVersion": "1"}, "items": [{"kind": "WsRoute"}]}',
        '{"kind": "WsRouteList", "metadata": {"resourceVersion": "1", "continue": 7}, "items": []}',
        '{"kind": "PodList", "metadata": {"resourceVersion": "1"}, "items": []}',
        '{"kind": "WsRouteList", "metadata": {"resourceVersion": "1"}, "items": [{"kind": "Pod", '
        '"metadata": {"name": "a", "namespace": "b"}}]}',
    ],
)
def test_a_200_that_is_no_list_of_the_kind_proves_nothing(tmp_path: Path, body: str) -> None:
    text, _ = fault_of(tmp_path, answer(200, body))
    assert "not understood" in text


def test_an_answer_that_breaks_off_is_an_error(tmp_path: Path) -> None:
    text, calls = fault_of(tmp_path, half)
    assert "cannot be asked for wsroutes" in text
    assert calls[-1] == "list unanswered"


def test_an_answer_that_does_not_come_ends_in_time(tmp_path: Path) -> None:
    text, calls = fault_of(tmp_path, hang)
    assert "no answer in 0.3 s" in text
    assert calls[-1] == "list unanswered"


def test_a_server_that_is_away_is_an_error(tmp_path: Path) -> None:
    async def run() -> None:
        async with await connect(kubeconfig(tmp_path, "http://127.0.0.1:1")) as api:
            with pytest.raises(ListError, match="check that it runs"):
                await Lister(api).list_all()

    asyncio.run(run())


def test_a_fault_on_a_later_page_leaves_no_half_list(tmp_path: Path) -> None:
    async def second_fails(request: web.Request) -> web.StreamResponse:
        if "continue" in request.query:
            return web.Response(status=500)
        return list_response("WsRoute", [], "7", "more")

    text, _ = fault_of(tmp_path, second_fails)
    assert "(500)" in text


def test_a_list_that_expires_between_pages_is_begun_anew(tmp_path: Path) -> None:
    async def run() -> None:
        async with listing(tmp_path) as (server, lister, _, _):
            await server.put("WsRoute", "chat")

            async def expires_once(request: web.Request) -> web.StreamResponse:
                if "continue" in request.query:
                    del server.faults["list wsroutes"]
                    return web.Response(status=410)
                return list_response("WsRoute", [], "7", "more")

            server.faults["list wsroutes"] = expires_once
            assert [made["metadata"]["name"] for made in (await lister.list_all()).routes] == ["chat"]

    asyncio.run(run())


def test_a_list_that_always_expires_is_given_up(tmp_path: Path) -> None:
    async def expires(request: web.Request) -> web.StreamResponse:
        is_later = "continue" in request.query
        return web.Response(status=410) if is_later else list_response("WsRoute", [], "7", "more")

    text, calls = fault_of(tmp_path, expires)
    assert "(410)" in text
    assert calls.count("list 410") == 1 + module.RESTARTS_MAX


def test_a_list_that_never_ends_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAGES_MAX", 5)

    async def more(_: web.Request) -> web.StreamResponse:
        return list_response("WsRoute", [], "7", "more")

    text, calls = fault_of(tmp_path, more)
    assert "does not end after 5 pages" in text
    assert len(calls) == 6


def test_pauses_grow_while_it_fails_and_are_gone_after_a_success(tmp_path: Path) -> None:
    async def run() -> None:
        async with listing(tmp_path) as (server, lister, clock, calls):
            server.faults["list tokenrevocations"] = answer(500)
            for _ in range(6):
                with pytest.raises(ListError):
                    await lister.list_all()
            # No own pauses of the caller, and still one call a pause.
            assert clock.slept == [0.0, 1.0, 2.0, 4.0, 8.0, 8.0]
            assert calls == ["list 500"] * 6
            server.faults.clear()
            await lister.list_all()
            await lister.list_all()
            assert clock.slept[-1] == 0.0

    asyncio.run(run())


@pytest.mark.parametrize(("asked", "waited"), [("20", 20.0), ("9999", 60.0), ("soon", 1.0), ("-5", 1.0)])
def test_the_pause_that_the_api_server_asks_for_is_kept(tmp_path: Path, asked: str, waited: float) -> None:
    async def run() -> None:
        async with listing(tmp_path) as (server, lister, clock, _):
            server.faults["list wsroutes"] = answer(429, Retry_After=asked)
            with pytest.raises(ListError):
                await lister.list_all()
            server.faults.clear()
            await lister.list_all()
            assert clock.slept == [0.0, waited]

    asyncio.run(run())
