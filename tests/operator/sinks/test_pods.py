"""All live pods of the gateway get the mark, once, and one that refuses it stops no other."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.operator.sinks.api_server import Answer, ApiServer
from wsgate_operator.sinks.api_error import ApiError, Fault
from wsgate_operator.sinks.configmap import VERSION_ANNOTATION
from wsgate_operator.sinks.pods import CONCURRENT_CALLS, PodsSink

PATH = "/api/v1/namespaces/system/pods"
LABELS = {
    "app.kubernetes.io/name": "wsgate",
    "app.kubernetes.io/component": "dataplane",
    "app.kubernetes.io/instance": "wsgate",
}

Scenario = Callable[[ApiServer, PodsSink], Awaitable[None]]


def run(scenario: Scenario) -> ApiServer:
    server = ApiServer()

    async def play() -> None:
        async with server.running() as calls:
            await scenario(server, PodsSink(calls, "wsgate", "system"))

    asyncio.run(play())
    return server


def pod(server: ApiServer, name: str, phase: str = "Running", **metadata: Any) -> None:
    server.put(f"{PATH}/{name}", {"metadata": {"labels": LABELS, **metadata}, "status": {"phase": phase}})


def marks(server: ApiServer) -> dict[str, str]:
    return {
        path.rsplit("/", 1)[1]: document["metadata"].get("annotations", {}).get(VERSION_ANNOTATION, "")
        for path, document in server.objects.items()
    }


def test_the_gateways_pods_are_listed_with_their_state() -> None:
    async def scenario(server: ApiServer, sink: PodsSink) -> None:
        pod(server, "b", phase="Succeeded")
        pod(server, "a", annotations={VERSION_ANNOTATION: "3"})
        pod(server, "c", deletionTimestamp="2026-01-31T18:00:00Z")
        pod(server, "other", labels={**LABELS, "app.kubernetes.io/instance": "internal"})
        found = [(each.name, each.phase, each.is_leaving, each.mark, each.is_live) for each in await sink.list()]
        assert found == [
            ("a", "Running", False, "3", True),
            ("b", "Succeeded", False, "", False),
            ("c", "Running", True, "", False),
        ]

    run(scenario)


def test_live_pods_are_marked_once() -> None:
    async def scenario(server: ApiServer, sink: PodsSink) -> None:
        pod(server, "a", annotations={"theirs": "x"})
        pod(server, "b", phase="Pending")
        pod(server, "done", phase="Failed")
        pod(server, "leaving", deletionTimestamp="2026-01-31T18:00:00Z")
        assert (await sink.bump("7")).pods == 2
        assert (await sink.bump("7")).pods == 0
        assert server.objects[f"{PATH}/a"]["metadata"]["annotations"]["theirs"] == "x"

    server = run(scenario)
    assert marks(server) == {"a": "7", "b": "7", "done": "", "leaving": ""}
    assert server.calls["PATCH"] == 2


def test_many_pods_are_marked_several_at_a_time() -> None:
    async def scenario(server: ApiServer, sink: PodsSink) -> None:
        for number in range(40):
            pod(server, f"p{number}")
        assert (await sink.bump("7")).pods == 40

    assert 1 < run(scenario).most_at_once <= CONCURRENT_CALLS


def test_a_pod_that_went_meanwhile_is_no_fault() -> None:
    async def scenario(server: ApiServer, sink: PodsSink) -> None:
        pod(server, "a")
        server.before_write = [lambda: server.objects.clear()]
        assert (await sink.bump("7")).failed == {}

    run(scenario)


def test_a_pod_that_cannot_be_marked_is_reported_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(server: ApiServer, sink: PodsSink) -> None:
        for name in ("a", "bad1", "bad2"):
            pod(server, name)
        server.refuse = lambda _, path: Answer(403) if "bad" in path else None
        for mark in ("7", "8"):
            bumped = await sink.bump(mark)
            assert bumped.pods == 1
            assert {name: error.fault for name, error in bumped.failed.items()} == {
                "bad1": Fault.FORBIDDEN,
                "bad2": Fault.FORBIDDEN,
            }
        assert marks(server) == {"a": "8", "bad1": "", "bad2": ""}

    run(scenario)
    assert [record.message for record in caplog.records] == ["pods not told of a new version"]


def test_pods_that_cannot_be_listed_are_an_error() -> None:
    async def scenario(server: ApiServer, sink: PodsSink) -> None:
        server.refuse = lambda *_: Answer(403, "may not list pods")
        with pytest.raises(ApiError, match="cannot list pods in system"):
            await sink.bump("7")

    run(scenario)
