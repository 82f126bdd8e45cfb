"""Status is written where it differs, keeps its times, and a fault of one object holds up no other."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import pytest

from tests.operator.sinks.api_server import Answer, ApiServer
from wsgate_operator.resources.crd import DEFINITIONS, object_schema
from wsgate_operator.resources.metadata import Condition
from wsgate_operator.resources.tokenrevocation import TokenRevocationStatus
from wsgate_operator.resources.wsroute import WsRouteStatus
from wsgate_operator.sinks.api_error import ApiError, Fault
from wsgate_operator.sinks.status import CONCURRENT_CALLS, GIVE_UP_AFTER, StatusSink, StatusUpdate

EARLY, LATE = "2026-01-31T18:00:00Z", "2026-01-31T18:00:05Z"
NOW = 1769882400.0
PENDING = object_schema(DEFINITIONS[0])["properties"]["status"]["default"]

Scenario = Callable[[ApiServer, StatusSink, list[float]], Awaitable[None]]


def run(scenario: Scenario) -> ApiServer:
    """Play it against a fresh server; the list holds the time."""
    server = ApiServer()

    async def play() -> None:
        now = [NOW]
        async with server.running() as calls:
            await scenario(server, StatusSink(calls, lambda: now[0]), now)

    asyncio.run(play())
    return server


def path(name: str = "chat") -> str:
    return f"/apis/wsgate.dev/v1alpha1/namespaces/team/wsroutes/{name}"


def update(
    name: str = "chat",
    accepted: Literal["True", "False"] = "True",
    held: dict[str, Any] | None = None,
    **fields: Any,
) -> StatusUpdate:
    conditions = (
        Condition(type="Accepted", status=accepted, reason="Accepted", message="fine", observed_generation=1),
        Condition(type="Programmed", status="Unknown", reason="Pending", observed_generation=1),
    )
    status = WsRouteStatus(observed_generation=1, conditions=conditions, **fields)
    return StatusUpdate("WsRoute", "team", name, f"uid-of-{name}", status, held)


def status_of(server: ApiServer, name: str = "chat") -> dict[str, Any]:
    found: dict[str, Any] = server.objects[path(name)]["status"]
    return found


def since(status: dict[str, Any]) -> list[str]:
    return [condition["lastTransitionTime"] for condition in status["conditions"]]


def test_the_default_status_is_replaced_with_times_of_now() -> None:
    async def scenario(server: ApiServer, sink: StatusSink, _: list[float]) -> None:
        server.put(path(), {"status": PENDING})
        assert await sink.apply(update(held=PENDING, programmed_version=7))
        assert status_of(server) == {
            "observedGeneration": 1,
            "programmedVersion": 7,
            "conditions": [
                {
                    "type": "Accepted",
                    "status": "True",
                    "reason": "Accepted",
                    "message": "fine",
                    "observedGeneration": 1,
                    "lastTransitionTime": EARLY,
                },
                {
                    "type": "Programmed",
                    "status": "Unknown",
                    "reason": "Pending",
                    "observedGeneration": 1,
                    "lastTransitionTime": EARLY,
                },
            ],
        }

    run(scenario)


def test_a_token_revocation_is_written_to_its_own_kind() -> None:
    where = "/apis/wsgate.dev/v1alpha1/namespaces/team/tokenrevocations/gone"

    async def scenario(server: ApiServer, sink: StatusSink, _: list[float]) -> None:
        server.put(where, {})
        status = TokenRevocationStatus(observed_generation=3, target="subject alice", scope="*")
        assert await sink.apply(StatusUpdate("TokenRevocation", "team", "gone", "uid-of-gone", status, None))

    server = run(scenario)
    assert server.objects[where]["status"]["target"] == "subject alice"
    assert server.bodies[0]["kind"] == "TokenRevocation"


def test_a_time_stays_while_the_status_of_the_condition_does() -> None:
    async def scenario(server: ApiServer, sink: StatusSink, now: list[float]) -> None:
        server.put(path(), {})
        await sink.apply(update())
        now[0] += 5
        await sink.apply(update(accepted="False", held=status_of(server)))
        assert since(status_of(server)) == [LATE, EARLY]

    run(scenario)


def test_a_restart_keeps_the_times_that_the_object_has() -> None:
    async def scenario(server: ApiServer, sink: StatusSink, now: list[float]) -> None:
        server.put(
            path(),
            {"status": {"conditions": [{"type": "Accepted", "status": "True", "lastTransitionTime": EARLY}]}},
        )
        now[0] += 5
        await sink.apply(update(held=status_of(server)))
        assert since(status_of(server)) == [EARLY, LATE]

    run(scenario)


def test_what_the_object_holds_already_is_not_written() -> None:
    async def scenario(server: ApiServer, sink: StatusSink, now: list[float]) -> None:
        server.put(path(), {})
        assert await sink.apply(update())
        now[0] += 5
        held = status_of(server)
        assert not await sink.apply(update(held={**held, "conditions": held["conditions"][::-1]}))

    assert run(scenario).calls.total() == 1


def test_a_cache_that_is_late_causes_no_second_write() -> None:
    async def scenario(server: ApiServer, sink: StatusSink, now: list[float]) -> None:
        server.put(path(), {"status": PENDING})
        assert await sink.apply(update(held=PENDING))
        now[0] += 5
        assert not await sink.apply(update(held=PENDING))

    assert run(scenario).calls.total() == 1


def test_a_status_that_somebody_changed_is_put_right() -> None:
    async def scenario(server: ApiServer, sink: StatusSink, _: list[float]) -> None:
        server.put(path(), {})
        await sink.apply(update())
        written = status_of(server)
        assert await sink.apply(update(held={**written, "programmedVersion": 99}))
        assert await sink.apply(update(held={"conditions": []}))

    assert run(scenario).calls.total() == 3


def test_a_condition_of_others_is_no_reason_to_write_again_and_again() -> None:
    async def scenario(server: ApiServer, sink: StatusSink, _: list[float]) -> None:
        server.put(path(), {})
        await sink.apply(update())
        held = status_of(server)
        theirs = {**held, "conditions": [*held["conditions"], {"type": "Theirs", "status": "True"}]}
        for _again in range(5):
            await sink.apply(update(held=theirs))

    assert run(scenario).calls.total() == 2


def test_an_object_that_is_gone_is_no_error() -> None:
    async def scenario(_: ApiServer, sink: StatusSink, __: list[float]) -> None:
        assert not await sink.apply(update())

    run(scenario)


def test_an_object_that_was_made_anew_is_a_conflict_and_written_again_later() -> None:
    async def scenario(server: ApiServer, sink: StatusSink, _: list[float]) -> None:
        server.put(path(), {"metadata": {"name": "chat", "uid": "another"}})
        for _again in range(2):
            with pytest.raises(ApiError, match="deleted and made anew"):
                await sink.apply(update())

    run(scenario)


@pytest.mark.parametrize("status", [409, 429, 500])
def test_a_failed_write_is_tried_again_by_the_next_pass(status: int) -> None:
    async def scenario(server: ApiServer, sink: StatusSink, _: list[float]) -> None:
        server.put(path(), {})
        server.faults = [Answer(status)]
        (failed,) = (await sink.apply_all([update()])).failed
        assert failed.update == update()
        assert (await sink.apply_all([update()])).written == 1

    assert run(scenario).calls.total() == 2


def test_many_are_written_several_at_a_time() -> None:
    async def scenario(server: ApiServer, sink: StatusSink, _: list[float]) -> None:
        names = [f"r{number}" for number in range(100)]
        for name in names:
            server.put(path(name), {})
        applied = await sink.apply_all(update(name) for name in names)
        assert (applied.written, applied.failed) == (100, ())

    server = run(scenario)
    assert server.calls.total() == 100
    assert 1 < server.most_at_once <= CONCURRENT_CALLS


def test_objects_that_are_refused_hold_up_no_others() -> None:
    async def scenario(server: ApiServer, sink: StatusSink, _: list[float]) -> None:
        server.refuse = lambda _, path: Answer(403) if "bad" in path else None
        server.put(path("good"), {})
        updates = [*(update(f"bad{number}") for number in range(50)), update("good")]
        applied = await sink.apply_all(updates)
        assert applied.written == 1
        assert {failed.error.fault for failed in applied.failed} == {Fault.FORBIDDEN}
        assert len(applied.failed) == 50

    run(scenario)


def test_a_broken_server_is_not_asked_for_each_object() -> None:
    async def scenario(server: ApiServer, sink: StatusSink, _: list[float]) -> None:
        server.refuse = lambda *_: Answer(500)
        applied = await sink.apply_all(update(f"r{number}") for number in range(500))
        assert len(applied.failed) == 500

    assert run(scenario).calls.total() <= GIVE_UP_AFTER + CONCURRENT_CALLS


def test_a_server_that_asks_for_a_pause_gets_it() -> None:
    async def scenario(server: ApiServer, sink: StatusSink, _: list[float]) -> None:
        server.refuse = lambda *_: Answer(429, headers={"Retry-After": "3"})
        applied = await sink.apply_all(update(f"r{number}") for number in range(500))
        assert {failed.error.retry_after for failed in applied.failed} == {3.0}

    assert run(scenario).calls.total() <= CONCURRENT_CALLS


def test_single_faults_among_successes_do_not_add_up() -> None:
    async def scenario(server: ApiServer, sink: StatusSink, _: list[float]) -> None:
        server.refuse = lambda _, path: Answer(500) if path.endswith("5/status") else None
        for number in range(200):
            server.put(path(f"r{number}"), {})
        applied = await sink.apply_all((update(f"r{number}") for number in range(200)), concurrency=1)
        assert (applied.written, len(applied.failed)) == (180, 20)

    run(scenario)
