"""In a cluster a tenant's route opens no way to addresses inside, neither for sessions nor for keys."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.jwks import JWKSServer
from tests.support.loops import on_both_loops
from tests.support.tokens import AUDIENCE, Issuer
from tests.support.world import World
from wsgate_contract.route import Route
from wsgate_dataplane import server
from wsgate_dataplane.handshake.serving import Catalogue, build_catalogue
from wsgate_dataplane.identity.provider import Providers
from wsgate_dataplane.settings import Settings
from wsgate_dataplane.snapshot.files import RoutesFile
from wsgate_dataplane.upstreams.resolve import Destinations

CLUSTER = Destinations.in_cluster(Settings.load({}), {"KUBERNETES_SERVICE_HOST": "10.96.0.1"})


@pytest.fixture
def as_tenants(monkeypatch: pytest.MonkeyPatch) -> None:
    """The data plane runs as in a cluster, and its routes are those of a tenant in namespace default."""

    def build(file: RoutesFile, previous: Catalogue, settings: Settings, *_: object) -> Catalogue:
        routes = tuple(
            Route.from_document({**each.to_document(), "destinations": "Restricted"}) for each in file.routes
        )
        return build_catalogue(replace(file, routes=routes), previous, settings, CLUSTER)

    def providers(*, ttl_seconds: float, **_: object) -> Providers:
        return Providers(ttl_seconds, reach_of=CLUSTER.reach_of)

    monkeypatch.setattr(server, "build_catalogue", build)
    monkeypatch.setattr(server, "Providers", providers)


@pytest.mark.usefixtures("as_tenants")
@on_both_loops
async def test_a_name_that_leads_to_loopback_is_502_and_nothing_is_dialled(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.route(upstream=(await world.upstream()).replace("127.0.0.1", "localhost"))
    async with world.running():
        refusal = await world.refusal(token=world.token())
        assert (refusal.status, refusal.reason) == (502, "upstream-not-permitted")
        assert "127.0.0.1" not in str(refusal.problem)
        (line,) = world.logged("refused")
        assert line["detail"] == "localhost: 127.0.0.1 is a loopback address, where the gateway never connects to"
        metrics = await world.metrics()
    assert metrics['ws_refusals_total{reason="upstream-not-permitted"}'] == 1
    assert not world.requests


@pytest.mark.usefixtures("as_tenants")
@on_both_loops
async def test_an_address_inside_makes_the_route_invalid_and_is_logged(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.route(upstream=await world.upstream())
    async with world.running():
        refusal = await world.refusal(token=world.token())
        assert (refusal.status, refusal.reason) == (503, "route-invalid")
        (line,) = world.logged("route not understood")
    assert line["error"] == ("upstream: 127.0.0.1 is a loopback address, where the gateway never connects to")
    assert not world.requests


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.usefixtures("as_tenants")
@on_both_loops
async def test_a_tenants_keys_are_not_fetched_from_inside(tmp_path: Path, host: str) -> None:
    issuer = Issuer()
    async with JWKSServer(issuer.jwks()) as keys:
        uri = keys.url.replace("127.0.0.1", host)
        provider: dict[str, Any] = {"issuer": issuer.name, "audiences": [AUDIENCE], "jwks": {"uri": uri}}
        world = World(tmp_path)
        world.route(upstream="ws://chat.example.com", auth={"providers": [provider]})
        async with world.running():
            refusal = await world.refusal(token=issuer.token())
            assert (refusal.status, refusal.reason) == (503, "keys-unavailable")
            assert "is a loopback address" in world.logged("refused")[0]["detail"]
        assert keys.requests == 0
