"""The whole operator, against an API server: what pods read is right, and calls are few."""

import asyncio
import base64
from functools import partial
from pathlib import Path

import pytest
from aiohttp import web

from tests.operator.controller.cluster import CORE, NAMESPACE, Cluster
from tests.operator.controller.life import operating, play, quicken
from tests.operator.sources.cluster.api_server import answer
from tests.support.certificates import pair
from tests.support.world import eventually
from wsgate_contract.rendered import Content
from wsgate_operator.controller import rendering
from wsgate_operator.sinks import packed
from wsgate_operator.sinks.packed import StoredBytes
from wsgate_operator.translate import brake


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    quicken(monkeypatch)


def test_a_cold_start_lists_then_renders_then_watches(tmp_path: Path) -> None:
    async def scenario(cluster: Cluster) -> None:
        await cluster.route()
        await cluster.revoke()
        async with operating(cluster, tmp_path) as life:
            await life.ready()
            await life.serves("chat")
            await life.revokes("default/alice")

    cluster = play(scenario)
    # kopf lists as well, before it watches.
    steps = [call for call in cluster.order if call.startswith(("list ws", "list to", "create con", "watch ws"))]
    assert steps[:5] == ["list tokenrevocations", "list wsroutes", *["create configmaps"] * 2, steps[4]]
    assert steps[4].startswith("list"), "the watch begins after the first pass"
    assert steps.count("watch wsroutes") == 1
    # No route goes live before what is revoked on it.
    names = [body["metadata"].get("name") for body in cluster.core.bodies]
    assert names.index("wsgate-revocations") < names.index("wsgate-routes")


def test_many_changes_of_routes_make_few_writes(tmp_path: Path) -> None:
    async def scenario(cluster: Cluster) -> None:
        async with operating(cluster, tmp_path) as life:
            await life.ready()
            before = cluster.calls["update configmaps"]
            for number in range(100):
                await cluster.route(f"r{number:02}")
                await asyncio.sleep(0.01)  # about the pace of kubectl apply with many files
            await life.serves(*(f"r{number:02}" for number in range(100)))
            assert cluster.calls["update configmaps"] - before <= 3

    play(scenario)


def test_a_revocation_does_not_wait_for_routes_to_be_quiet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quicken(monkeypatch, QUIET_SECONDS=60.0, DEBOUNCE_SECONDS=60.0)

    async def scenario(cluster: Cluster) -> None:
        async with operating(cluster, tmp_path) as life:
            await life.ready()
            await cluster.route()
            await cluster.revoke()
            await life.revokes("default/alice")

    play(scenario)


def test_a_revocation_does_not_wait_for_a_write_of_routes_that_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quicken(monkeypatch, call_seconds=60.0)

    async def scenario(cluster: Cluster) -> None:
        async with operating(cluster, tmp_path) as life:
            await life.ready()
            gate = asyncio.Event()

            async def slow_for_routes(request: web.Request) -> web.StreamResponse:
                if request.path.endswith("-routes"):
                    await gate.wait()
                return await cluster.core.answer(request)

            cluster.faults["update configmaps"] = slow_for_routes
            before = cluster.calls["update configmaps"]
            await cluster.route()
            await eventually(lambda: cluster.calls["update configmaps"] > before, "the write of routes hangs")
            await cluster.revoke()
            await life.revokes("default/alice")
            gate.set()
            await life.serves("chat")

    play(scenario)


def test_an_idle_operator_reads_little_and_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A tenth of what it is in a cluster: two seconds here are twenty there.
    quicken(monkeypatch, PODS_SECONDS=0.5, VERIFY_CONFIGMAPS_SECONDS=1.0, SECOND_CHANNEL_SECONDS=0.05)

    async def scenario(cluster: Cluster) -> None:
        for number in range(20):
            await cluster.route(f"r{number:02}")
        await cluster.pods("pod-0")
        async with operating(cluster, tmp_path) as life:
            await life.ready()
            for number in range(20):
                await life.says("WsRoute", f"r{number:02}", "Programmed", "True", "Programmed")
            await eventually(lambda: "revocations" in cluster.mark("pod-0"), "the pod is marked")
            seen, idle = len(cluster.order), list[str]()
            await eventually(lambda: cluster.order[seen:].count("get configmaps") >= 2, "they are verified")
            seen = len(cluster.order)
            await asyncio.sleep(2.0)  # the time that is measured
            idle = cluster.order[seen:]
            assert not [call for call in idle if call.startswith(("create", "update", "patch"))], idle
            # Two ConfigMaps, twice or three times; without Redis nobody asks for the pods.
            assert len(idle) <= 6, idle

    play(scenario)


def test_a_restart_writes_no_status_and_no_event_anew(tmp_path: Path) -> None:
    async def scenario(cluster: Cluster) -> None:
        for number in range(10):
            await cluster.route(f"r{number}")
            await cluster.revoke(f"u{number}")
        await cluster.route("bad", prefix="/healthz")
        async with operating(cluster, tmp_path) as life:
            await life.says("WsRoute", "r9", "Programmed", "True", "Programmed")
            await life.says("WsRoute", "bad", "Accepted", "False", "Invalid")
            await life.says("TokenRevocation", "u9", "Published", "True", "Published")
            await eventually(lambda: len(cluster.told()) == 21, "each object has its Event")
        before = cluster.calls
        async with operating(cluster, tmp_path) as life:
            await life.ready()
            await cluster.route("late")
            await life.says("WsRoute", "late", "Programmed", "True", "Programmed")
            await eventually(lambda: len(cluster.told()) == 22, "the new one has its Event")
        calls = cluster.calls - before
        assert calls["patch wsroutes/status"] == 1
        assert calls["patch tokenrevocations/status"] == 0

    play(scenario)


@pytest.mark.parametrize("content", ["routes", "revocations"])
@pytest.mark.parametrize("how", ["deleted", "edited"])
def test_a_configmap_that_somebody_touched_is_restored_under_a_higher_version(
    tmp_path: Path, content: Content, how: str
) -> None:
    async def scenario(cluster: Cluster) -> None:
        await cluster.route()
        await cluster.revoke()
        await cluster.pods("pod-0")
        async with operating(cluster, tmp_path) as life:
            await life.serves("chat")
            await life.revokes("default/alice")
            await eventually(lambda: "routes" in cluster.mark("pod-0"), "the pod is marked")
            before = cluster.rendered(content)
            path, mark = f"{CORE}/configmaps/wsgate-{content}", cluster.mark("pod-0")
            if how == "deleted":
                del cluster.core.objects[path]
            else:
                cluster.core.put(path, {**cluster.core.objects[path], "data": {f"{content}.yaml": "routes: []\n"}})
            await eventually(lambda: bool(life.fields("configmap-restored")), "it is told")
            after = cluster.rendered(content)
            assert before is not None and after is not None
            assert after.items == before.items and after.version > before.version
            assert life.metric("configmap_restored_total", content=content) == 1
            await eventually(lambda: cluster.mark("pod-0") != mark, "the pod is told")

    play(scenario)


def test_versions_grow_over_a_restart_even_if_the_configmap_was_lost(tmp_path: Path) -> None:
    async def scenario(cluster: Cluster) -> None:
        async with operating(cluster, tmp_path) as life:
            await life.ready()
            for name in ("a", "b", "c"):
                await cluster.route(name)
                await life.says("WsRoute", name, "Programmed", "True", "Programmed")
        before = cluster.rendered("routes")
        del cluster.core.objects[f"{CORE}/configmaps/wsgate-routes"]
        async with operating(cluster, tmp_path) as life:
            await life.serves("a", "b", "c")
        after = cluster.rendered("routes")
        assert before is not None and after is not None and after.version > before.version

    play(scenario)


def test_conflicts_with_another_writer_are_overcome(tmp_path: Path) -> None:
    async def scenario(cluster: Cluster) -> None:
        async with operating(cluster, tmp_path) as life:
            await life.ready()
            await life.serves()
            path = f"{CORE}/configmaps/wsgate-routes"
            for _ in range(2):
                cluster.core.before_write.append(lambda: cluster.core.put(path, cluster.core.objects[path]))
            await cluster.route()
            await life.serves("chat")
            assert "routes not written to the ConfigMap" not in life.messages()

    play(scenario)


def test_a_faulty_edit_keeps_the_last_good_version_over_a_restart(tmp_path: Path) -> None:
    async def scenario(cluster: Cluster) -> None:
        await cluster.route(upstream="ws://good:8080")
        async with operating(cluster, tmp_path) as life:
            await life.serves("chat")
            await life.ready()
            await cluster.route(upstream="ws://good:8080", prefix="/healthz")
            await life.says("WsRoute", "chat", "Accepted", "False", "Invalid")
        for _ in range(2):
            async with operating(cluster, tmp_path) as life:
                await life.ready()
                message = await life.says("WsRoute", "chat", "Accepted", "False", "Invalid")
                assert "the last accepted version stays in force" in message
                document = cluster.rendered("routes")
                assert document is not None and document.items[0]["prefix"] == "/chat"

    play(scenario)


def test_an_object_that_cannot_be_read_is_told_so(tmp_path: Path) -> None:
    async def scenario(cluster: Cluster) -> None:
        await cluster.objects.put("WsRoute", "odd", prefix=7)
        await cluster.objects.put("TokenRevocation", "odd", subject=["x"])
        await cluster.route()
        async with operating(cluster, tmp_path) as life:
            message = await life.says("WsRoute", "odd", "Accepted", "False", "Invalid")
            assert "prefix" in message
            await life.says("TokenRevocation", "odd", "Accepted", "False", "Invalid")
            await life.serves("chat")

    play(scenario)


def test_routes_beyond_the_capacity_are_left_out_and_told_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = []

    class Measuring(StoredBytes):
        def __init__(self) -> None:
            super().__init__()
            measured.append(self)

    monkeypatch.setattr(packed, "STORED_BYTES_MAX", 2_000)
    monkeypatch.setattr(rendering, "STORED_BYTES_MAX", 2_000)
    monkeypatch.setattr(rendering, "StoredBytes", Measuring)

    async def scenario(cluster: Cluster) -> None:
        names = [f"r{number:02}" for number in range(40)]
        for name in names:
            await cluster.route(name)
        async with operating(cluster, tmp_path) as life:
            await life.ready()
            message = await life.says("WsRoute", "r39", "Accepted", "False", "CapacityExceeded")
            assert "delete routes that nobody uses" in message
            await life.says("WsRoute", "r00", "Programmed", "True", "Programmed")
            served = cluster.served()
            assert served is not None and 1 < len(served) < 40 and served == names[: len(served)]
            await eventually(partial(cluster.has_called, "patch wsroutes/status", 40), "all statuses are written")
            for number in range(5):
                await cluster.revoke(f"u{number}")
                await life.says("TokenRevocation", f"u{number}", "Accepted", "True", "Accepted")
            assert cluster.calls["patch wsroutes/status"] == 40, "no status flutters"
            assert len(measured) == 1, "what fits is measured once"
            assert life.messages().count("routes-left-out") == 1
            for name in names[:35]:
                await cluster.objects.delete("WsRoute", name)
            await life.serves(*names[35:])
            await life.says("WsRoute", "r39", "Programmed", "True", "Programmed")

    play(scenario)


def noted(cluster: Cluster, name: str) -> dict[str, str]:
    """The notes of the Events on an object, by reason."""
    return {each["reason"]: each["note"] for each in cluster.told() if each["regarding"]["name"] == name}


def test_what_vanishes_in_bulk_is_held_and_told_and_let_go_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(brake, "HOLD_SECONDS", 1.5)

    async def scenario(cluster: Cluster) -> None:
        names = [f"r{number:02}" for number in range(20)]
        for name in names:
            await cluster.route(name)
        async with operating(cluster, tmp_path) as life:
            await life.ready()
            await life.serves(*names)
            await cluster.lose("WsRoute", names[:12])
            await eventually(lambda: bool(life.fields("objects-held")), "it is told")
            assert "12 of 20" in life.fields("objects-held")[0]["detail"]
            await eventually(lambda: "ObjectsMissing" in noted(cluster, "wsgate-routes"), "an Event tells it too")
            assert "12 of 20" in noted(cluster, "wsgate-routes")["ObjectsMissing"]
            assert cluster.served() == names
            assert life.metric("held_objects", kind="WsRoute") == 12
            await cluster.objects.delete("WsRoute", names[12])
            await life.serves(*names[:12], *names[13:])
            await life.serves(*names[13:])
            assert life.metric("held_objects", kind="WsRoute") == 0

    play(scenario)


def test_the_pages_say_when_it_is_ready(tmp_path: Path) -> None:
    async def scenario(cluster: Cluster) -> None:
        cluster.faults["list wsroutes"] = answer(403)
        async with operating(cluster, tmp_path) as life:
            await eventually(lambda: "objects not listed" in life.messages(), "it cannot list")
            assert await life.page("/livez") == (200, "ok\n")
            status, text = await life.page("/readyz")
            assert status == 503 and "not listed" in text
            cluster.faults.clear()
            await life.ready()
            assert await life.page("/readyz") == (200, "ok\n")
            status, text = await life.page("/metrics")
            assert status == 200 and "wsgate_operator_routes_version 1.0" in text
            assert 'wsgate_operator_api_calls_total{outcome="403",verb="list"}' in text

    play(scenario)


def test_the_operators_own_namespace_is_where_configmaps_are(tmp_path: Path) -> None:
    async def scenario(cluster: Cluster) -> None:
        async with operating(cluster, tmp_path) as life:
            await life.serves()
            await life.revokes()

    cluster = play(scenario)
    assert sorted(cluster.core.objects) == [
        f"/api/v1/namespaces/{NAMESPACE}/configmaps/wsgate-{content}" for content in ("revocations", "routes")
    ]


def test_a_route_with_a_client_certificate_is_served_once_that_is_copied(tmp_path: Path) -> None:
    tls = {"clientCertificateRef": {"name": "client"}}

    async def scenario(cluster: Cluster) -> None:
        await cluster.route("plain")
        await cluster.route("secured", upstream="wss://chat", upstreamTLS=tls)
        await cluster.pods("a")
        async with operating(cluster, tmp_path, WSGATE_SECRET_POLL_SECONDS="1") as life:
            await life.ready()
            await life.serves("plain")
            told = await life.says("WsRoute", "secured", "ResolvedRefs", "False", "InvalidCertificateRef")
            assert "Secret default/client does not exist" in told
            certificate, key = (base64.b64encode(each).decode() for each in pair("client.test"))
            data = {"tls.crt": certificate, "tls.key": key}
            cluster.core.put(f"{CORE}/secrets/client", {"metadata": {}, "type": "kubernetes.io/tls", "data": data})
            await life.serves("plain", "secured")
            await life.says("WsRoute", "secured", "Programmed", "True", "Programmed")
            await eventually(lambda: " secrets-" in cluster.mark("a"), "kubelet is told to look")
            del cluster.core.objects[f"{CORE}/secrets/client"]
            await life.serves("plain")
            await eventually(lambda: not copies(cluster), "the copy is gone")

    def copies(cluster: Cluster) -> object:
        return cluster.core.objects[f"{CORE}/secrets/wsgate-secrets"]["data"]

    play(scenario)


def test_a_gateway_without_client_certificates_asks_for_no_secret_but_its_own_and_makes_none(
    tmp_path: Path,
) -> None:
    async def scenario(cluster: Cluster) -> None:
        await cluster.route()
        async with operating(cluster, tmp_path, WSGATE_SECRET_POLL_SECONDS="1") as life:
            await life.ready()
            await eventually(lambda: cluster.has_called("get secrets", 1), "it looked for what a former life left")

    cluster = play(scenario)
    assert not [path for path in cluster.core.objects if "/secrets/" in path]
