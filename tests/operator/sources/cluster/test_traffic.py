"""What kopf asks is recognised, paced, and told about."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import yarl
from aiohttp import web

from tests.operator.sources.cluster.api_server import ApiServer, answer, hang, kubeconfig, serving
from wsgate_operator.sources.cluster.connection import connect
from wsgate_operator.sources.cluster.traffic import Call, Fault, Traffic, TrafficNews

PATH = "/apis/wsgate.dev/v1alpha1/wsroutes"


@pytest.mark.parametrize(
    ("address", "call"),
    [
        (f"https://api{PATH}", Call("list", "wsroutes", is_first_page=True)),
        (f"https://api/behind/a/path{PATH}?limit=500", Call("list", "wsroutes", is_first_page=True)),
        (f"https://api{PATH}?continue=x", Call("list", "wsroutes")),
        (f"https://api{PATH}?watch=true&resourceVersion=7", Call("watch", "wsroutes")),
        ("https://api/apis/wsgate.dev/v1alpha1", Call("get", "discovery")),
        ("https://api/apis/wsgate.dev/v1alpha1/", Call("get", "discovery")),
        ("https://api/api", Call("get", "discovery")),
    ],
)
def test_a_request_says_what_it_is_for(address: str, call: Call) -> None:
    assert Call.of(yarl.URL(address)) == call


@asynccontextmanager
async def session(
    folder: Path, told: list[str], rewatch_seconds: float = 0.0
) -> AsyncIterator[tuple[ApiServer, aiohttp.ClientSession, dict[Call, Fault]]]:
    news = TrafficNews(
        on_call=lambda call, outcome: told.append(f"{call.verb} {call.resource} {outcome}"),
        on_listed=lambda plural: told.append(f"listed {plural}"),
        on_watching=lambda plural: told.append(f"watching {plural}"),
    )
    async with serving() as server, await connect(kubeconfig(folder, server.url)) as api:
        faults: dict[Call, Fault] = {}
        traffic = Traffic(api, news, faults, retry_seconds=(0.01, 0.02), rewatch_seconds=rewatch_seconds)
        assert traffic.server == server.url
        async with traffic.open_session() as opened:
            yield server, opened, faults


def test_lists_and_watches_are_told_and_carry_the_credentials(tmp_path: Path) -> None:
    async def run() -> None:
        told: list[str] = []
        async with session(tmp_path, told) as (server, http, _):
            async with http.get(f"{server.url}{PATH}?limit=500"):
                assert told == ["list wsroutes 200", "listed wsroutes"]
            async with http.get(f"{server.url}{PATH}?watch=true&resourceVersion=100"):
                assert told[2:] == ["watch wsroutes 200", "watching wsroutes"]
            assert set(server.tokens) == {"Bearer secret"}

    asyncio.run(run())


def test_a_replaced_token_is_used_from_the_next_request_on(tmp_path: Path) -> None:
    async def run() -> None:
        deaf = TrafficNews(lambda *_: None, lambda _: None, lambda _: None)
        async with serving() as server, await connect(kubeconfig(tmp_path, server.url)) as api:
            async with Traffic(api, deaf, {}, retry_seconds=(1.0,), rewatch_seconds=0.0).open_session() as http:
                await http.get(f"{server.url}{PATH}?limit=500")
                api.configuration.api_key["BearerToken"] = "Bearer replaced"
                await http.get(f"{server.url}{PATH}?limit=500")
            assert server.tokens == ["Bearer secret", "Bearer replaced"]

    asyncio.run(run())


@pytest.mark.parametrize("status", [401, 403, 404, 409, 429, 500, 503])
def test_a_refused_call_is_repeated_and_its_fault_logged_once_and_then_its_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    async def run() -> None:
        told: list[str] = []
        async with session(tmp_path, told) as (server, http, faults):

            async def refuses_thrice(request: web.Request) -> web.StreamResponse:
                if len(told) == 2:
                    server.faults.clear()
                    assert str(status) in faults[Call("list", "wsroutes", is_first_page=True)].detail
                return await answer(status)(request)

            server.faults["list wsroutes"] = refuses_thrice
            async with http.get(f"{server.url}{PATH}?limit=500") as response:
                assert response.status == 200
            assert told == [f"list wsroutes {status}"] * 3 + ["list wsroutes 200", "listed wsroutes"]
            assert faults == {}

    with caplog.at_level(logging.INFO, "wsgate.operator"):
        asyncio.run(run())
    assert [record.message for record in caplog.records] == ["watch-fault", "watch-fault-over"]


def test_the_pause_that_the_api_server_asks_for_is_kept(tmp_path: Path) -> None:
    async def run() -> None:
        async with session(tmp_path, []) as (server, http, _):
            server.faults["list wsroutes"] = answer(429, Retry_After="60")
            with pytest.raises(TimeoutError):
                await http.get(f"{server.url}{PATH}?limit=500", timeout=aiohttp.ClientTimeout(total=0.3))
            assert server.calls["list wsroutes"] == 1

    asyncio.run(run())


def test_an_answer_that_does_not_come_in_time_is_a_fault_of_that_call(tmp_path: Path) -> None:
    async def run() -> None:
        told: list[str] = []
        async with session(tmp_path, told) as (server, http, faults):
            server.faults["list wsroutes"] = hang
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await http.get(f"{server.url}{PATH}?limit=500")
            assert told == ["list wsroutes unanswered"]
            assert ["in time" in fault.detail for fault in faults.values()] == [True]

    asyncio.run(run())


@pytest.mark.parametrize(("path", "status"), [(PATH, 410), ("/apis/wsgate.dev/v1alpha1", 404)])
def test_what_kopf_understands_is_handed_on(tmp_path: Path, path: str, status: int) -> None:
    async def run() -> None:
        async with session(tmp_path, []) as (server, http, _):
            server.faults |= {"list wsroutes": answer(status), "get discovery": answer(status)}
            async with http.get(f"{server.url}{path}") as response:
                assert response.status == status

    asyncio.run(run())


def test_a_server_that_is_away_is_told_as_unanswered(tmp_path: Path) -> None:
    async def run() -> None:
        told: list[str] = []
        async with session(tmp_path, told) as (_, http, faults):
            with pytest.raises(aiohttp.ClientConnectorError):
                await http.get(f"http://127.0.0.1:1{PATH}?limit=500")
            assert told == ["list wsroutes unanswered"]
            assert ["does not answer" in fault.detail for fault in faults.values()] == [True]

    asyncio.run(run())


def test_watches_that_end_at_once_are_renewed_at_a_pace(tmp_path: Path) -> None:
    async def run() -> None:
        told: list[str] = []
        async with session(tmp_path, told, rewatch_seconds=0.1) as (server, http, _):
            server.faults["watch wsroutes"] = answer(200)
            began = asyncio.get_running_loop().time()
            for _ in range(4):
                await http.get(f"{server.url}{PATH}?watch=true&resourceVersion=1")
            assert asyncio.get_running_loop().time() - began >= 0.3

    asyncio.run(run())
