"""Statuses and Events of one pass: only of what was judged, only where they differ, and never waited for."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.operator.objects import document, wsroute
from tests.operator.sinks.api_server import Answer, ApiServer
from tests.operator.sinks.revocation_log.house import NOW, logged
from wsgate_operator.controller import statuses as module
from wsgate_operator.controller.objects import generation_of
from wsgate_operator.controller.statuses import Progress, Statuses
from wsgate_operator.resources.metadata import GROUP, VERSION
from wsgate_operator.sinks.events import EventSink
from wsgate_operator.sinks.status import StatusSink
from wsgate_operator.telemetry.metrics import Metrics
from wsgate_operator.translate.options import Options
from wsgate_operator.translate.status import route_status
from wsgate_operator.translate.translate import translate
from wsgate_operator.translate.verdict import Kind, Verdict

OPTIONS = Options(root_namespace="default", has_environment_provider=True)


class House:
    """A server that keeps the objects, and a cache that is as new as the server."""

    def __init__(self, server: ApiServer, statuses: Callable[..., Statuses]) -> None:
        self.server, self.metrics = server, Metrics()
        self._statuses = statuses
        self.statuses = self.new_life()

    def new_life(self) -> Statuses:
        return self._statuses(self.document, lambda: NOW, self.metrics)

    def document(self, kind: Kind, key: str) -> dict[str, Any] | None:
        return self.server.objects.get(path(key.partition("/")[2]))

    def put(self, name: str, generation: int = 1, **spec: Any) -> None:
        status = self.server.objects.get(path(name), {}).get("status", {})
        made = document("WsRoute", name, spec, uid=f"uid-{name}", generation=generation)
        self.server.put(path(name), {**made, "status": status})

    def progress(self, *names: str, options: Options = OPTIONS, **spec: Any) -> Progress:
        """What a pass makes of these routes, all of them written."""
        translation = translate([wsroute(name, **spec) for name in names], options)
        documents = {name: self.document("WsRoute", f"default/{name}") for name in names}
        return Progress(
            translation=translation,
            generations={
                ("WsRoute", f"default/{name}"): generation_of(made) for name, made in documents.items() if made
            },
            routes_version=3,
            written_keys=frozenset(route.key for route in translation.routes),
            routes_fault="",
            log_ids=frozenset(),
            cursor=None,
            file_ids=frozenset(),
            revocations_fault="",
            leases=None,
        )

    def conditions(self, name: str) -> dict[str, str]:
        found = self.server.objects[path(name)].get("status", {}).get("conditions", [])
        return {each["type"]: each["status"] for each in found}

    def events(self) -> list[tuple[str, str]]:
        bodies = [body for body in self.server.bodies if body.get("kind") == "Event"]
        return [(body["type"], body["reason"]) for body in bodies]


def path(name: str) -> str:
    return f"/apis/{GROUP}/{VERSION}/namespaces/default/wsroutes/{name}"


def run(scenario: Callable[[House], Awaitable[None]], call_seconds: float = 5.0) -> None:
    async def play() -> None:
        server = ApiServer()
        async with server.running(call_seconds) as calls:

            def fresh(*rest: Any) -> Statuses:
                sinks = StatusSink(calls, lambda: NOW), EventSink(calls, lambda: NOW, "operator-0")
                return Statuses(*sinks, *rest)

            await scenario(House(server, fresh))

    asyncio.run(play())


def test_a_pass_writes_the_statuses_and_a_second_one_nothing() -> None:
    async def scenario(house: House) -> None:
        house.put("chat")
        progress = house.progress("chat")
        assert await house.statuses.write(progress)
        wanted = {"Accepted": "True", "ResolvedRefs": "True", "Programmed": "True", "Ready": "Unknown"}
        assert house.conditions("chat") == wanted
        assert house.events() == [("Normal", "Accepted")]
        calls = house.server.calls.total()
        assert await house.statuses.write(progress)
        assert house.server.calls.total() == calls

    run(scenario)


def test_an_object_that_has_changed_since_it_was_judged_waits_for_the_next_pass() -> None:
    async def scenario(house: House) -> None:
        house.put("chat")
        progress = house.progress("chat")
        house.put("chat", generation=2)
        assert await house.statuses.write(progress)
        assert house.conditions("chat") == {}
        assert await house.statuses.write(house.progress("chat"))
        assert house.conditions("chat")["Programmed"] == "True"

    run(scenario)


def test_a_changed_verdict_is_news_and_a_repeated_one_is_not() -> None:
    async def scenario(house: House) -> None:
        house.put("chat")
        for _ in range(2):
            await house.statuses.write(house.progress("chat"))
            await house.statuses.write(house.progress("chat", timeouts={"idleSeconds": 5}))
        for _ in range(2):
            await house.statuses.write(house.progress("chat", options=Options(root_namespace="default")))
        assert house.events() == [("Normal", "Accepted"), ("Warning", "Invalid")]

    run(scenario)


def test_a_new_life_tells_no_old_news() -> None:
    async def scenario(house: House) -> None:
        house.put("chat")
        await house.statuses.write(house.progress("chat"))
        calls = house.server.calls.total()
        assert await house.new_life().write(house.progress("chat"))
        assert house.server.calls.total() == calls

    run(scenario)


def test_what_could_not_be_written_is_told_once_and_counted() -> None:
    async def scenario(house: House) -> None:
        house.put("chat")
        house.server.refuse = lambda method, path: Answer(403) if method == "PATCH" else None
        for _ in range(3):
            assert not await house.statuses.write(house.progress("chat"))
        house.server.refuse = lambda method, path: None
        assert await house.statuses.write(house.progress("chat"))
        assert house.metrics.registry.get_sample_value("wsgate_operator_status_failures_total") == 3

    with logged() as lines:
        run(scenario)
    assert [line.getMessage() for line in lines] == ["statuses not written", "statuses not written: over"]


def test_events_that_hang_hold_up_no_status_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EVENTS_SECONDS", 0.2)

    async def scenario(house: House) -> None:
        names = [f"r{number}" for number in range(10)]
        for name in names:
            house.put(name)
        house.server.refuse = lambda method, path: Answer(hang=True) if method == "POST" else None
        async with asyncio.timeout(5):
            assert await house.statuses.write(house.progress(*names))
        assert all(house.conditions(name)["Programmed"] == "True" for name in names)

    run(scenario, call_seconds=60.0)


def test_an_object_that_is_gone_has_no_status() -> None:
    async def scenario(house: House) -> None:
        assert await house.statuses.write(house.progress("gone"))
        assert house.server.calls.total() == 0

    run(scenario)


def test_an_object_of_which_no_status_can_be_made_keeps_no_other_from_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def poisoned(verdict: Verdict, *rest: Any) -> Any:
        if verdict.key == "default/poison":
            raise ValueError("year -1 is out of range")
        return route_status(verdict, *rest)

    async def scenario(house: House) -> None:
        names = ("a", "poison", "z")
        for name in names:
            house.put(name)
        with monkeypatch.context() as patch:
            patch.setattr(module, "route_status", poisoned)
            for _ in range(3):
                assert not await house.statuses.write(house.progress(*names))
        assert [house.conditions(name).get("Programmed") for name in names] == ["True", None, "True"]
        assert house.metrics.registry.get_sample_value("wsgate_operator_status_failures_total") == 3
        assert await house.statuses.write(house.progress(*names))
        assert house.conditions("poison")["Programmed"] == "True"

    with logged() as lines:
        run(scenario)
    assert [line.getMessage() for line in lines] == ["statuses not made", "statuses not made: over"]
    detail = vars(lines[0])["fields"]["detail"]
    assert "WsRoute default/poison: Traceback" in detail and "year -1 is out of range" in detail
