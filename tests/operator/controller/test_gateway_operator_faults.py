"""The whole operator while something in it or before it fails: it tells, loses nothing and goes on."""

import asyncio
import time
from functools import partial
from pathlib import Path

import pytest

from tests.operator.controller.cluster import Cluster
from tests.operator.controller.life import operating, play, quicken
from tests.operator.sources.cluster.api_server import Answer, answer, hang
from tests.support.world import eventually
from wsgate_operator.controller import gateway_operator as module
from wsgate_operator.controller import rendering
from wsgate_operator.controller.second_channel import SecondChannel
from wsgate_operator.controller.statuses import Statuses
from wsgate_operator.sinks.configmap import ConfigMapSink
from wsgate_operator.sinks.pods import PodsSink
from wsgate_operator.sources.cluster import watch
from wsgate_operator.sources.cluster.listing import Lister

FAULTS: dict[str, Answer] = {str(status): answer(status) for status in (401, 403, 404, 409, 429, 500)}
FAULTS["hung"] = hang
STAGES = {
    "list wsroutes": "objects not listed",
    "watch wsroutes": "watch-fault",
    "get configmaps": "ConfigMaps not read",
    "create configmaps": "routes not written to the ConfigMap",
    "patch wsroutes/status": "statuses not written",
    "list pods": "pods not listed to tell them of a new version",
    "patch pods": "pods not told of a new version",
    "create events": "events not written",
}
MEANT = {("get configmaps", "404"), ("patch wsroutes/status", "404"), ("patch pods", "404")}
"""No fault: it is not there, or not there any more."""
TASKS: dict[str, tuple[object, str]] = {
    "restore": (ConfigMapSink, "load"),
    "list": (Lister, "list_all"),
    "mark": (PodsSink, "bump"),
    "watch": (watch, "watch_objects"),
    "decide": (rendering.Rendering, "decide"),
    "write": (rendering.Rendering, "write"),
    "second-channel": (SecondChannel, "step"),
    "verify": (ConfigMapSink, "verify"),
    "tell": (Statuses, "write"),
}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    quicken(monkeypatch)


@pytest.mark.parametrize("call", STAGES)
def test_a_fault_of_the_api_server_is_told_once_tried_slowly_and_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    quicken(monkeypatch, silence_seconds=0.7)

    async def scenario(cluster: Cluster) -> None:
        await cluster.pods("pod-0")
        names = [name for name in FAULTS if (call, name) not in MEANT]
        cluster.faults[call] = FAULTS[names[0]]
        async with operating(cluster, tmp_path) as life:
            began = time.monotonic()
            for name in names:
                cluster.faults[call] = FAULTS[name]
                # News for each stage; a fault of Events is not tried again.
                enough = cluster.calls[call] + (1 if call == "create events" else 2)
                await cluster.route(f"r{name}")
                await eventually(partial(cluster.has_called, call, enough), f"{call} meets {name}")
            calls = cluster.calls[call]
            assert calls <= 8 + (time.monotonic() - began) / 0.05, "pauses here are a tenth of a second"
            cluster.faults.clear()
            await cluster.route()
            await life.says("WsRoute", "chat", "Programmed", "True", "Programmed")
            await life.serves("chat", *(f"r{name}" for name in names))
            await eventually(lambda: cluster.mark("pod-0").startswith("revocations-1"), "the pod is told")
            assert 1 <= life.messages().count(STAGES[call]) <= len(names), life.messages()

    play(scenario)


def test_a_change_taken_back_while_it_could_not_be_written_stays_taken_back(tmp_path: Path) -> None:
    async def scenario(cluster: Cluster) -> None:
        await cluster.route(upstream="ws://old:1")
        async with operating(cluster, tmp_path) as life:
            await life.says("WsRoute", "chat", "Programmed", "True", "Programmed")
            await life.ready()
            cluster.faults["update configmaps"] = answer(500)
            await cluster.route(upstream="ws://new:1")
            await life.says("WsRoute", "chat", "Programmed", "False", "WriteFailed")
            await cluster.route(upstream="ws://old:1")
            await eventually(lambda: life.metric("render_failures_total") is not None, "it is tried")
            await asyncio.sleep(0.5)  # more than the debounce
            cluster.faults.clear()
            message = await life.says("WsRoute", "chat", "Programmed", "True", "Programmed")
            looks = cluster.calls["get configmaps"]
            await eventually(lambda: cluster.calls["get configmaps"] >= looks + 6, "it was verified")
            document = cluster.rendered("routes")
            assert document is not None and document.items[0]["upstream"] == "ws://old:1"
            await eventually(
                lambda: "cannot" not in cluster.condition("WsRoute", "chat", "Programmed")[2], message
            )

    play(scenario)


def test_a_pass_that_hangs_is_no_longer_alive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STUCK_SECONDS", 0.2)

    async def scenario(cluster: Cluster) -> None:
        cluster.faults["create configmaps"] = hang
        async with operating(cluster, tmp_path) as life:
            await eventually(lambda: cluster.calls["create configmaps"] > 0, "the write hangs")
            deadline = time.monotonic() + 5
            while (await life.page("/livez"))[0] != 503:
                assert time.monotonic() < deadline, "it is never stuck"

    play(scenario)


def test_objects_that_break_the_first_pass_lift_no_revocation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(*_: object, **__: object) -> None:
        raise RuntimeError("a poisonous object")

    async def scenario(cluster: Cluster) -> None:
        await cluster.revoke()
        await cluster.route()
        async with operating(cluster, tmp_path) as life:
            await life.revokes("default/alice")
            await life.serves("chat")
        with monkeypatch.context() as patch:
            patch.setattr(rendering, "translate", explode)
            async with operating(cluster, tmp_path) as life:
                await eventually(lambda: "pass-failed" in life.messages(), "the pass fails")
                await asyncio.sleep(1.5)  # time enough for both channels to be written, wrongly
                assert (cluster.revoked(), cluster.served()) == (["default/alice"], ["chat"])
                assert life.messages().count("pass-failed") == 1
                assert (await life.page("/readyz"))[0] == 503

    play(scenario)


@pytest.mark.parametrize("task", TASKS)
def test_a_defect_in_any_task_is_told_once_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str
) -> None:
    async def explode(*_: object, **__: object) -> None:
        raise ValueError("year -1 is out of range")

    async def scenario(cluster: Cluster) -> None:
        await cluster.route()
        await cluster.pods("pod-0")
        with monkeypatch.context() as patch:
            patch.setattr(*TASKS[task], explode)
            async with operating(cluster, tmp_path) as life:
                await eventually(lambda: (life.metric("defects_total", task=task) or 0) >= 2, "it is tried again")
                assert (await life.page("/livez"))[0] == 200
                patch.undo()
                await life.ready()
                await cluster.route("late")
                await life.serves("chat", "late")
                await life.says("WsRoute", "late", "Programmed", "True", "Programmed")
                await eventually(lambda: "routes" in cluster.mark("pod-0"), "the pod is marked")
                details = [fields["detail"] for fields in life.fields("pass-failed")]
                assert [detail.startswith(f"{task}: Traceback") for detail in details].count(True) == 1

    play(scenario)


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00"])
@pytest.mark.parametrize("field", ["issuedBefore", "expiresAt"])
def test_a_moment_that_no_calendar_holds_is_a_fault_of_its_object_alone(
    tmp_path: Path, field: str, moment: str
) -> None:
    async def scenario(cluster: Cluster) -> None:
        async with operating(cluster, tmp_path) as life:
            await life.ready()
            await cluster.objects.put("TokenRevocation", "evil", subject="a", **{field: moment})
            message = await life.says("TokenRevocation", "evil", "Accepted", "False", "Invalid")
            assert f"spec.{field}: expected a moment from 1970 to 9999" in message
            await cluster.revoke()
            await life.says("TokenRevocation", "alice", "Published", "True", "Published")
            assert life.fields("pass-failed") == []

    play(scenario)
