"""One pass in its two halves: what is decided needs no API server, what is written is what was decided last."""

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable, Sequence

import pytest
import yaml

from tests.operator.objects import document
from tests.operator.sinks.api_server import Answer, ApiServer
from tests.operator.sinks.revocation_log.house import event, logged, record
from tests.support.certificates import pair
from wsgate_contract import rendered
from wsgate_contract.route import Route
from wsgate_operator.controller import rendering as module
from wsgate_operator.controller.certificates import Certificates, Grantee
from wsgate_operator.controller.objects import Objects
from wsgate_operator.controller.pod_marks import PodMarks
from wsgate_operator.controller.rendering import Rendering
from wsgate_operator.controller.second_channel import SecondChannel
from wsgate_operator.sinks import packed
from wsgate_operator.sinks.configmap import ConfigMapSink
from wsgate_operator.sinks.packed import StoredBytes
from wsgate_operator.sinks.pods import PodsSink
from wsgate_operator.sinks.rendered_text import Items
from wsgate_operator.sinks.secret import SecretSink
from wsgate_operator.sources.cluster.cache import ObjectCache
from wsgate_operator.telemetry.metrics import Metrics
from wsgate_operator.translate.options import Options
from wsgate_operator.translate.verdict import VerdictReason

OPTIONS = Options(root_namespace="default", has_environment_provider=True)
NOW = time.time()
CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
SECRETS = "/api/v1/namespaces/default/secrets"


class House:
    """A rendering without Redis; its cache is filled by hand."""

    certificates: Certificates

    def __init__(self, server: ApiServer, rendering: Callable[..., Rendering]) -> None:
        self.server, self.cache, self.metrics = server, ObjectCache(), Metrics()
        self.rendering = rendering(Objects(self.cache, "wsgate", lambda: 0.0), self.metrics)

    def route(
        self, name: str = "chat", upstream: str = "ws://chat:1", prefix: str = "", namespace: str = "default"
    ) -> None:
        spec = {"prefix": prefix or f"/{name}", "upstream": upstream, "hostnames": [f"{namespace}.example.com"]}
        self.cache.put(document("WsRoute", name, spec, uid=name, generation=1, namespace=namespace))

    def secured_route(self, name: str = "chat") -> None:
        """One that names Secret client."""
        tls = {"clientCertificateRef": {"name": "client"}}
        spec = {"prefix": f"/{name}", "upstream": "wss://chat.test", "upstreamTLS": tls}
        self.cache.put(document("WsRoute", name, spec, uid=name, generation=1))

    def secret(self) -> None:
        certificate, key = (base64.b64encode(each).decode() for each in pair("client.test"))
        data = {"tls.crt": certificate, "tls.key": key}
        self.server.put(f"{SECRETS}/client", {"metadata": {}, "type": "kubernetes.io/tls", "data": data})

    def revoke(self, name: str) -> None:
        self.cache.put(document("TokenRevocation", name, {"subject": name}, uid=name, generation=1))

    def text(self, content: str) -> str:
        found = self.server.objects.get(f"{CONFIGMAPS}/wsgate-{content}")
        return "" if found is None else str(found["data"][f"{content}.yaml"])

    async def render(self) -> bool:
        await self.rendering.decide()
        return await self.rendering.write()


def run(scenario: Callable[[House], Awaitable[None]]) -> None:
    async def play() -> None:
        server = ApiServer()
        async with server.running() as calls:

            def rendering(objects: Objects, metrics: Metrics) -> Rendering:
                routes, revocations = (
                    ConfigMapSink(calls, "wsgate", "default", content) for content in ("routes", "revocations")
                )
                second = SecondChannel(revocations, lambda: 1.9e9, 20, lambda written, now: None, metrics)
                marks = PodMarks(PodsSink(calls, "wsgate", "default"))
                sink = SecretSink(calls, "wsgate", "default")
                grantee = Grantee("default", "wsgate-operator", "wsgate")
                certificates.append(
                    Certificates(calls, sink, grantee, "default", 30, lambda: NOW, metrics, lambda: None)
                )
                return Rendering(objects, OPTIONS, routes, None, second, marks, certificates[0], metrics)

            certificates: list[Certificates] = []
            house = House(server, rendering)
            house.certificates = certificates[0]
            await scenario(house)

    asyncio.run(play())


def test_deciding_asks_no_api_server() -> None:
    async def scenario(house: House) -> None:
        house.route()
        house.revoke("alice")
        assert await house.rendering.decide()
        assert house.server.calls.total() == 0

    run(scenario)


def test_the_only_channel_of_revocations_is_written_before_the_routes() -> None:
    async def scenario(house: House) -> None:
        house.route()
        house.revoke("alice")
        assert await house.render()
        names = [body["metadata"]["name"] for body in house.server.bodies]
        assert names == ["wsgate-revocations", "wsgate-routes"]

    run(scenario)


def test_routes_that_are_the_same_are_neither_written_nor_read() -> None:
    async def scenario(house: House) -> None:
        house.route()
        await house.render()
        calls = house.server.calls.total()
        house.revoke("alice")
        assert await house.render()
        assert house.server.calls.total() == calls
        assert house.rendering.written_keys == {"default/chat"}

    run(scenario)


def test_statuses_speak_of_routes_only_once_it_was_tried_to_write_them() -> None:
    async def scenario(house: House) -> None:
        house.route()
        house.revoke("alice")
        await house.rendering.decide()
        assert [verdict.kind for verdict in house.rendering.told.translation.verdicts] == ["TokenRevocation"]
        await house.rendering.write()
        assert len(house.rendering.told.translation.verdicts) == len(house.rendering.told.generations) == 2

    run(scenario)


def test_a_failed_write_is_known_told_once_and_made_good() -> None:
    async def scenario(house: House) -> None:
        await house.render()
        house.server.refuse = lambda method, path: Answer(500) if method == "PUT" else None
        house.route()
        for _ in range(3):
            assert not await house.render()
        assert "500" in house.rendering.routes_fault and house.rendering.written_keys == frozenset()
        house.server.refuse = lambda method, path: None
        assert await house.rendering.write()
        assert (house.rendering.routes_fault, house.rendering.routes_version) == ("", 2)
        assert house.rendering.written_keys == {"default/chat"}

    with logged() as lines:
        run(scenario)
    messages = [line.getMessage() for line in lines if "not written" in line.getMessage()]
    assert messages == [f"routes not written to the ConfigMap{end}" for end in ("", ": over")]


def test_a_change_taken_back_is_written_even_if_it_was_never_seen_to_stand() -> None:
    async def scenario(house: House) -> None:
        house.route(upstream="ws://old:1")
        await house.render()
        path = f"{CONFIGMAPS}/wsgate-routes"
        # The server does its work, but its answer is lost.
        new = {**house.server.objects[path]}
        new["data"] = {"routes.yaml": house.text("routes").replace("ws://old:1", "ws://new:1")}
        house.server.refuse = lambda method, _: Answer(500) if method == "PUT" else None
        house.route(upstream="ws://new:1")
        assert not await house.render()
        house.server.put(path, new)
        house.server.refuse = lambda method, _: None
        house.route(upstream="ws://old:1")
        assert await house.render()
        assert "ws://old:1" in house.text("routes")

    run(scenario)


def test_a_faulty_edit_keeps_what_a_former_life_had_in_force() -> None:
    async def scenario(house: House) -> None:
        route = {"namespace": "default", "name": "chat", "prefix": "/chat", "upstream": "ws://good:1"}
        broken = {"namespace": "default", "name": "broken", "prefix": 7}
        routes = rendered.read("routes", rendered.build("routes", [route, broken], 4))
        house.rendering.restore(routes, None)
        house.route(prefix="/healthz")
        assert await house.render()
        assert "ws://good:1" in house.text("routes") and "broken" not in house.text("routes")

    run(scenario)


def test_events_of_a_life_with_redis_stay_in_force_without_it() -> None:
    async def scenario(house: House) -> None:
        kicked, gone = event("kicked"), record("gone")
        items = Items().of_records([kicked, gone])
        house.rendering.restore(None, rendered.read("revocations", rendered.build("revocations", items, 4)))
        house.revoke("alice")
        await house.render()
        text = house.text("revocations")
        assert "event:kicked" in text and "default/alice" in text and "team/gone" not in text

    run(scenario)


def test_objects_are_counted_by_kind_and_verdict() -> None:
    async def scenario(house: House) -> None:
        house.route("good")
        house.route("bad", prefix="/healthz")
        house.revoke("alice")
        await house.render()

        def count(kind: str, accepted: str) -> float | None:
            labels = {"kind": kind, "accepted": accepted}
            return house.metrics.registry.get_sample_value("wsgate_operator_objects", labels)

        assert (count("WsRoute", "true"), count("WsRoute", "false")) == (1, 1)
        assert (count("TokenRevocation", "true"), count("TokenRevocation", "false")) == (1, 0)

    run(scenario)


def test_routes_are_left_out_of_the_namespace_that_takes_most_and_that_is_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    measured = []

    class Measuring(StoredBytes):
        def __init__(self) -> None:
            super().__init__()
            measured.append(self)

    monkeypatch.setattr(packed, "STORED_BYTES_MAX", 3_000)
    monkeypatch.setattr(module, "STORED_BYTES_MAX", 3_000)
    monkeypatch.setattr(module, "StoredBytes", Measuring)

    async def scenario(house: House) -> None:
        house.route("small", namespace="victim")
        assert await house.render()
        for number in range(40):
            house.route(f"r{number:02}", namespace="evil")
        house.route("late", namespace="zoo")
        for name in ("alice", "bob"):
            house.revoke(name)
            assert await house.render()
            written = house.rendering.written_keys
            assert {"victim/small", "zoo/late", "evil/r00"} <= written and "evil/r39" not in written
            reasons = {each.key: each.reason for each in house.rendering.told.translation.verdicts}
            left_out = {key for key, reason in reasons.items() if reason is VerdictReason.CAPACITY_EXCEEDED}
            assert left_out == {f"evil/r{number:02}" for number in range(40)} - written
        assert len(measured) == 1

    run(scenario)


def test_where_the_measure_was_too_small_fewer_routes_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    class Optimist(StoredBytes):
        def of_routes(self, routes: Sequence[Route]) -> int:
            return super().of_routes(routes) - 900

    monkeypatch.setattr(packed, "STORED_BYTES_MAX", 2_000)
    monkeypatch.setattr(module, "STORED_BYTES_MAX", 2_000)
    monkeypatch.setattr(module, "StoredBytes", Optimist)

    async def scenario(house: House) -> None:
        for number in range(40):
            house.route(f"r{number:02}")
        assert await house.render()
        written = house.rendering.written_keys
        assert 0 < len(written) < 40
        assert all(f"name: {key.partition('/')[2]}\n" in house.text("routes") for key in written)
        assert not house.rendering.routes_fault

    run(scenario)


def test_a_route_waits_for_its_secret_without_a_verdict_and_is_written_after_the_copy() -> None:
    async def scenario(house: House) -> None:
        house.secured_route()
        house.secret()
        await house.render()
        assert house.certificates.due.is_set()
        assert (house.text("routes").count("name: chat"), house.rendering.told.translation.verdicts) == (0, ())
        assert await house.certificates.look(is_full=False)
        await house.render()
        assert "clientCertificate: " in house.text("routes")
        assert f"{SECRETS}/wsgate-secrets" in house.server.objects
        (verdict,) = house.rendering.told.translation.verdicts
        assert verdict.accepted

    run(scenario)


def test_a_route_in_force_is_served_on_while_its_secret_is_not_known_yet() -> None:
    async def scenario(house: House) -> None:
        house.secured_route()
        house.secret()
        await house.render()
        await house.certificates.look()
        await house.render()
        found.append(rendered.read("routes", yaml.safe_load(house.text("routes"))))

    async def next_life(house: House) -> None:
        house.rendering.restore(found[0], None)
        house.secured_route()
        await house.render()
        assert [route.key for route in house.rendering.told.translation.routes] == ["default/chat"]

    found: list[rendered.RenderedDocument] = []
    run(scenario)
    run(next_life)


def test_what_is_written_of_a_route_holds_nothing_of_its_secret() -> None:
    async def scenario(house: House) -> None:
        house.secured_route()
        house.secret()
        await house.render()
        await house.certificates.look()
        await house.render()
        data = house.server.objects[f"{SECRETS}/client"]["data"]
        assert all(
            base64.b64decode(text).decode().splitlines()[1] not in house.text("routes") for text in data.values()
        )

    run(scenario)
