"""kopf itself, against an API server with faults: what it sees is in the cache, and what it cannot see is told."""

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from aiohttp import web

from tests.operator.sources.cluster.api_server import Answer, ApiServer, answer, half, hang, kubeconfig, serving
from tests.support.world import eventually
from wsgate_operator.sources.cluster.cache import ObjectCache
from wsgate_operator.sources.cluster.connection import connect
from wsgate_operator.sources.cluster.listing import Lister
from wsgate_operator.sources.cluster.watch import WatchEndedError, WatchTiming, keep_watching, watch_objects

PAUSE_SECONDS = 0.05
TIMING = WatchTiming(
    connect_seconds=1.0,
    list_seconds=0.5,
    silence_seconds=5.0,
    retry_seconds=(PAUSE_SECONDS,),
    rewatch_seconds=PAUSE_SECONDS,
    restart_seconds=PAUSE_SECONDS,
)


@dataclass
class Watching:
    """A running watch and what came of it."""

    server: ApiServer
    lister: Lister
    cache: ObjectCache = field(default_factory=ObjectCache)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    relists: int = 0
    calls: Counter[str] = field(default_factory=Counter)

    def relisted(self) -> None:
        self.relists += 1

    def called(self, verb: str, outcome: str) -> None:
        self.calls[f"{verb} {outcome}"] += 1

    def keys(self) -> list[str]:
        return sorted(found.metadata.name for found in self.cache.objects())

    async def list_anew(self) -> None:
        """What a renderer does when it is told of a relist."""
        found = await self.lister.list_all()
        self.cache.replace("WsRoute", found.routes, found.versions["WsRoute"])
        self.cache.replace("TokenRevocation", found.revocations, found.versions["TokenRevocation"])

    async def sees(self, *names: str) -> None:
        await eventually(lambda: self.keys() == sorted(names), f"the cache holds {names}")


@asynccontextmanager
async def watching(folder: Path, timing: WatchTiming = TIMING) -> AsyncIterator[Watching]:
    """Start a watch beside the test, and stop it at the end."""
    async with serving() as server, await connect(kubeconfig(folder, server.url)) as api:
        seen = Watching(server, Lister(api))
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(
                keep_watching(
                    seen.cache, api, seen.ready, on_relist=seen.relisted, on_call=seen.called, timing=timing
                )
            )
            try:
                yield seen
            finally:
                task.cancel()
        await eventually(lambda: "kopf" not in {thread.name for thread in threading.enumerate()}, "kopf ended")


async def is_ready(seen: Watching) -> None:
    await eventually(seen.ready.is_set, "both kinds are watched")


async def put_route(server: ApiServer, name: str) -> None:
    await server.put("WsRoute", name, prefix=f"/{name}", upstream="ws://chat:8080")


def test_what_is_there_and_what_happens_later_comes_into_the_cache(tmp_path: Path) -> None:
    async def run() -> None:
        async with watching(tmp_path) as seen:
            await put_route(seen.server, "chat")
            await is_ready(seen)
            await put_route(seen.server, "news")
            await seen.server.put("TokenRevocation", "alice", subject="alice")
            await seen.sees("alice", "chat", "news")
            await seen.server.delete("WsRoute", "chat")
            await seen.sees("alice", "news")
            assert seen.cache.take().revocations
            assert seen.calls["watch 200"] == 2
            # Nothing is written, and nothing is listed beside our own kinds.
            assert set(seen.server.calls) == {
                "get discovery",
                *(f"{verb} {plural}" for verb in ("list", "watch") for plural in ("wsroutes", "tokenrevocations")),
            }

    asyncio.run(run())


def test_a_user_whom_the_system_does_not_know_can_watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown() -> str:
        raise KeyError("getpwuid(): uid not found: 65532")

    # As in a container, where no passwd names the uid.
    monkeypatch.setattr("getpass.getuser", unknown)

    async def run() -> None:
        async with watching(tmp_path) as seen:
            await put_route(seen.server, "chat")
            await is_ready(seen)
            await seen.sees("chat")

    asyncio.run(run())


def test_a_stopped_watch_takes_no_other_task_along_and_leaves_signals_alone(tmp_path: Path) -> None:
    async def run() -> str:
        async with asyncio.TaskGroup() as tasks:
            async with watching(tmp_path) as seen:
                later = tasks.create_task(asyncio.sleep(0.3, "alive"))
                await is_ready(seen)
                assert not asyncio.get_running_loop().remove_signal_handler(15)
            assert not later.cancelled()
            return await later

    assert asyncio.run(run()) == "alive"


def test_a_cut_watch_is_continued_without_a_loss(tmp_path: Path) -> None:
    async def run() -> None:
        async with watching(tmp_path) as seen:
            await put_route(seen.server, "chat")
            await is_ready(seen)
            await seen.sees("chat")
            await seen.server.drop_watches()
            await seen.server.delete("WsRoute", "chat")
            await put_route(seen.server, "news")
            await seen.sees("news")

    asyncio.run(run())


def test_a_deletion_that_the_watch_hides_is_found_by_the_list_that_a_relist_asks_for(tmp_path: Path) -> None:
    async def run() -> None:
        async with watching(tmp_path) as seen:
            await put_route(seen.server, "only")
            await is_ready(seen)
            await seen.sees("only")
            assert seen.relists == 2, "one for each kind at the start"
            gate = asyncio.Event()

            async def closed_until_it_is_forgotten(request: web.Request) -> web.StreamResponse:
                await gate.wait()
                return await seen.server.watch("wsroutes", request)

            seen.server.faults["watch wsroutes"] = closed_until_it_is_forgotten
            await seen.server.drop_watches()
            await seen.server.delete("WsRoute", "only")
            await seen.server.drop_watches(forget=True)
            gate.set()
            del seen.server.faults["watch wsroutes"]
            await eventually(lambda: seen.relists > 2, "the relist is told although it found nothing")
            assert seen.keys() == ["only"], "kopf itself never tells"
            await seen.list_anew()
            assert seen.keys() == []

    asyncio.run(run())


def test_a_hung_watch_is_noticed(tmp_path: Path) -> None:
    async def run() -> None:
        timing = replace(TIMING, silence_seconds=0.3)
        async with watching(tmp_path, timing) as seen:
            seen.server.faults["watch wsroutes"] = hang
            await eventually(lambda: seen.calls["watch unanswered"] > 0, "the hung watch is given up")
            del seen.server.faults["watch wsroutes"]
            await put_route(seen.server, "chat")
            await seen.sees("chat")
            await is_ready(seen)

    asyncio.run(run())


def test_a_watch_that_says_nothing_is_renewed(tmp_path: Path) -> None:
    async def run() -> None:
        timing = replace(TIMING, silence_seconds=0.2)
        async with watching(tmp_path, timing) as seen:
            await eventually(lambda: seen.server.calls["watch wsroutes"] > 2, "silent watches are renewed")

    asyncio.run(run())


@pytest.mark.parametrize("status", [401, 403, 404, 409, 410, 429, 500, 503])
@pytest.mark.parametrize("verb", ["list", "watch"])
def test_a_refusal_is_survived_with_few_calls_and_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, verb: str, status: int
) -> None:
    async def run() -> None:
        async with watching(tmp_path) as seen:
            seen.server.faults[f"{verb} wsroutes"] = answer(status)
            await eventually(lambda: seen.server.calls[f"{verb} wsroutes"] >= 4, "it is tried again")
            assert not seen.ready.is_set()
            seen.server.faults.clear()
            await put_route(seen.server, "chat")
            await seen.sees("chat")
            await is_ready(seen)

    with caplog.at_level(logging.INFO, "wsgate.operator"):
        asyncio.run(run())
    faults = [vars(record)["fields"]["detail"] for record in caplog.records if record.message == "watch-fault"]
    assert str(status) in faults[0]


@pytest.mark.parametrize("call", ["list wsroutes", "watch wsroutes", "get discovery"])
@pytest.mark.parametrize("status", [401, 500])
def test_calls_are_bounded_while_the_api_server_fails(tmp_path: Path, call: str, status: int) -> None:
    async def run() -> None:
        async with watching(tmp_path) as seen:
            seen.server.faults[call] = answer(status)
            loop = asyncio.get_running_loop()
            began = loop.time()
            await eventually(lambda: seen.server.calls[call] >= 10, "it is tried again")
            # No more than one attempt a pause; discovery begins with two calls at a time.
            assert seen.server.calls[call] <= 3 + 2 * (loop.time() - began) / PAUSE_SECONDS

    asyncio.run(run())


@pytest.mark.parametrize("fault", [answer(200, "<html>"), answer(200, "[]"), answer(200, "{"), half, hang])
@pytest.mark.parametrize("verb", ["list", "watch"])
def test_a_broken_answer_is_survived_with_few_calls(tmp_path: Path, verb: str, fault: Answer) -> None:
    async def run() -> None:
        timing = replace(TIMING, silence_seconds=0.3)
        async with watching(tmp_path, timing) as seen:
            seen.server.faults[f"{verb} wsroutes"] = fault
            loop = asyncio.get_running_loop()
            began = loop.time()
            await eventually(lambda: seen.server.calls[f"{verb} wsroutes"] >= 4, "it is tried again")
            assert seen.server.calls[f"{verb} wsroutes"] <= 2 + (loop.time() - began) / PAUSE_SECONDS
            seen.server.faults.clear()
            await put_route(seen.server, "chat")
            await seen.sees("chat")

    asyncio.run(run())


def test_an_error_in_the_stream_ends_kopf_and_it_begins_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        async with watching(tmp_path) as seen:
            await is_ready(seen)
            await seen.server.send({"type": "ERROR", "object": {"kind": "Status", "code": 500, "message": "etcd"}})
            await eventually(lambda: seen.relists >= 4, "kopf began anew")
            await put_route(seen.server, "chat")
            await seen.sees("chat")

    with caplog.at_level(logging.INFO, "wsgate.operator"):
        asyncio.run(run())
    assert [record.message for record in caplog.records] == ["watching", "watch-ended", "watching"]


def test_kinds_that_discovery_lacks_are_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        timing = replace(TIMING, start_seconds=0.5)
        async with watching(tmp_path, timing) as seen:
            seen.server.is_discoverable = False
            await put_route(seen.server, "chat")
            await eventually(lambda: bool(caplog.records), "the missing kinds are told")
            seen.server.is_discoverable = True
            await seen.sees("chat")

    with caplog.at_level(logging.ERROR, "wsgate.operator"):
        asyncio.run(run())
    assert "tokenrevocations, wsroutes" in vars(caplog.records[0])["fields"]["detail"]


def test_when_kopf_ends_by_itself_the_reason_is_raised(tmp_path: Path) -> None:
    async def run() -> None:
        async with serving() as server, await connect(kubeconfig(tmp_path, server.url)) as api:
            server.faults["list wsroutes"] = answer(200, "<html>")
            with pytest.raises(WatchEndedError, match="JSONDecodeError"):
                await watch_objects(ObjectCache(), api, asyncio.Event(), on_relist=lambda: None, timing=TIMING)

    asyncio.run(run())


def test_an_event_about_no_object_that_has_a_name_asks_for_a_list(tmp_path: Path) -> None:
    async def run() -> None:
        async with watching(tmp_path) as seen:
            await is_ready(seen)
            before = seen.relists
            broken = {"kind": "WsRoute", "metadata": {"uid": "u", "resourceVersion": "500"}}
            await seen.server.send({"type": "ADDED", "object": broken})
            await eventually(lambda: seen.relists > before, "a list is asked for")

    asyncio.run(run())
