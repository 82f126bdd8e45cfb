"""Sessions are found by what a revocation names, end once, and leave nothing behind."""

import asyncio
import base64
import gc
import hashlib
import os
import random
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.calls import calls_of
from tests.support.loops import on_both_loops
from tests.support.world import World, eventually
from wsgate_contract.revocation import ClaimMatch, RevocationRecord
from wsgate_contract.route import Route
from wsgate_dataplane.outcomes.table import Reason
from wsgate_dataplane.registry.registry import Registry
from wsgate_dataplane.registry.session import Arrival, Session
from wsgate_dataplane.relay.asyncio_engine import AsyncioEngine
from wsgate_dataplane.relay.end import End
from wsgate_dataplane.relay.tunnel import Tunnel
from wsgate_dataplane.revocation.matching import Identity
from wsgate_dataplane.telemetry.metrics import Metrics


@pytest.mark.parametrize(
    "spec",
    [
        {"jti": "j-1"},
        {"sessionID": "s-1"},
        {"subject": "alice", "jti": "j-1"},
        {"claim": {"claim": "realm_access.roles", "value": "driver"}},
        {"issuer": "https://wsgate.invalid/development", "jti": "j-1"},
        {"issuer": "https://wsgate.invalid/development", "issuedBefore": "2001-01-01T00:00:00Z"},
        {"tokenSHA256": "the token's"},
    ],
    ids=lambda spec: "+".join(spec),
)
@on_both_loops
async def test_a_revocation_closes_exactly_the_sessions_that_it_names(
    tmp_path: Path, spec: dict[str, Any]
) -> None:
    world = World(tmp_path)
    world.route(upstream=await world.upstream())
    roles = {"roles": ["driver"]}
    token = world.token("alice", jti="j-1", sid="s-1", realm_access=roles, iat=978307199)
    if "tokenSHA256" in spec:
        spec = {"tokenSHA256": hashlib.sha256(token.rpartition(".")[0].encode()).hexdigest()}
    async with (
        world.running(),
        world.connect(token=token) as named,
        world.connect(token=world.token("alice", jti="j-2", sid="s-2")) as other,
    ):
        world.revoke("it", **spec)
        await asyncio.wait_for(named.wait_closed(), 5)
        assert (named.close_code, named.close_reason) == (1008, "token revoked")
        await other.send("untouched")
        assert await other.recv() == "untouched"
        metrics = await world.metrics()
    assert metrics["ws_revocations_total"] == 1
    assert metrics["ws_revocation_to_close_seconds_count"] == 1


@on_both_loops
async def test_a_revocation_during_the_dial_refuses_the_handshake(tmp_path: Path) -> None:
    world = World(tmp_path)
    dialled, answer = asyncio.Event(), asyncio.Event()

    async def hesitate(connection: Any, request: Any) -> None:
        dialled.set()
        await answer.wait()

    world.route(upstream=await world.upstream(process_request=hesitate))
    async with world.running():
        async with asyncio.TaskGroup() as tasks:
            attempt = tasks.create_task(world.refusal(token=world.token("alice")))
            await dialled.wait()
            world.revoke("alice", subject="alice")
            await eventually(
                lambda: [session.life.refusal for session in world.plane.registry] != [None],
                "the pending session is revoked",
            )
            answer.set()
        refusal = attempt.result()
        assert (refusal.status, refusal.reason) == (401, "token-revoked")
        assert len(world.plane.registry) == 0


@on_both_loops
async def test_a_route_change_during_the_dial_refuses_the_handshake_with_503(tmp_path: Path) -> None:
    world = World(tmp_path)
    dialled, answer = asyncio.Event(), asyncio.Event()

    async def hesitate(connection: Any, request: Any) -> None:
        dialled.set()
        await answer.wait()

    upstream = await world.upstream(process_request=hesitate)
    world.route(upstream=upstream, onChange="Close")
    async with world.running():
        async with asyncio.TaskGroup() as tasks:
            attempt = tasks.create_task(world.refusal(token=world.token("alice")))
            await dialled.wait()
            world.route(upstream=upstream, onChange="Close", limits={"maxMessageBytes": 5})
            await eventually(
                lambda: [session.life.refusal for session in world.plane.registry] != [None],
                "the pending session is told",
            )
            answer.set()
        refusal = attempt.result()
        assert (refusal.status, refusal.reason) == (503, "route-changed")
        assert len(world.plane.registry) == 0


@on_both_loops
async def test_a_thousand_sessions_leave_nothing_behind(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.route(upstream=await world.upstream())
    token = world.token()

    def alive() -> int:
        gc.collect()
        return sum(isinstance(each, Session | Tunnel | End) for each in gc.get_objects())

    async def visit(count: int) -> None:
        for _ in range(count):
            async with world.connect(token=token) as client:
                await client.send("x")
                await client.recv()

    async with world.running():
        await visit(20)
        await eventually(lambda: len(world.plane.registry) == 0, "the first sessions are gone")
        fds, tasks = len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks())
        of_others = alive()
        async with asyncio.TaskGroup() as visitors:
            for _ in range(20):
                visitors.create_task(visit(50))
        await world.ended(1020)
        await eventually(lambda: len(os.listdir("/proc/self/fd")) <= fds, "no descriptor is left")
        await eventually(lambda: len(asyncio.all_tasks()) <= tasks, "no task is left")
        assert alive() <= of_others


@on_both_loops
async def test_sessions_that_are_closed_over_a_time_are_spared_when_that_is_cancelled(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.route(upstream=await world.upstream())
    async with world.running(), AsyncExitStack() as clients:
        for _ in range(20):
            await clients.enter_async_context(world.connect(token=world.token()))
        registry = world.plane.registry
        registry.close_spread(registry, Reason.REVOCATION_STALE, spread_seconds=5)
        await world.ended(2)
        # Asked again, nobody gets a new time, and nobody is ended at once.
        registry.close_spread(registry, Reason.REVOCATION_STALE, spread_seconds=0)
        spared = registry.cancel_closings(Reason.REVOCATION_STALE)
        assert 0 < spared < 20
        assert registry.cancel_closings(Reason.REVOCATION_STALE) == 0
        await eventually(lambda: len(registry) == spared, "those that were told are gone")
        registry.close_spread(registry, Reason.REVOCATION_STALE, spread_seconds=0)
        ends = await world.ended(20)
    assert {each["reason"] for each in ends} == {"revocation-stale"}
    assert ends[0]["code"] == 1013


@on_both_loops
async def test_a_session_that_is_drained_already_is_neither_hurried_nor_spared(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.route(upstream=await world.upstream())
    async with world.running(), world.connect(token=world.token()) as client:
        registry = world.plane.registry
        registry.close_paced(registry, Reason.ROUTE_CHANGED, 0.2)
        registry.close_spread(registry, Reason.REVOCATION_STALE, spread_seconds=0)
        registry.cancel_closings(Reason.REVOCATION_STALE)
        await asyncio.wait_for(client.wait_closed(), 5)
        ends = await world.ended()
    assert ends[0]["reason"] == "route-changed"


@on_both_loops
async def test_a_tenants_records_are_compared_with_its_own_sessions_alone() -> None:
    loop = asyncio.get_running_loop()
    registry = Registry(loop, AsyncioEngine(loop), Metrics(), "none", random.random)
    payloads = {name: base64.urlsafe_b64encode(b'{"role":"%s"}' % name.encode()) for name in ("a", "b")}

    def register(namespace: str, role: str = "a") -> Session:
        route = Route(namespace=namespace, name="r", prefix="/", upstream="ws://a.b")
        return registry.register(route, Identity(namespace, payload=payloads[role]), Arrival("x", "y"))

    for _ in range(5_000):
        register("bank")
    own = [register("evil", role) for role in "ab"]
    records = [
        RevocationRecord(id=f"evil/{i}", namespace="evil", claim=ClaimMatch(claim=f"x{i}", value="a"))
        for i in range(200)
    ]
    records.append(RevocationRecord(id="evil/role", namespace="evil", claim=ClaimMatch(claim="role", value="a")))
    closed: list[int] = []
    # Compared with all, they would take a call for each pair: a million.
    assert calls_of(lambda: closed.append(registry.revoke(records, time.time()))) < 10_000
    assert closed == [1]
    assert [session.life.refusal for session in own] == [Reason.TOKEN_REVOKED, None]
    everybodys = RevocationRecord(id="root/role", claim=ClaimMatch(claim="role", value="a"))
    assert registry.revoke([everybodys], time.time()) == 5_000
    for session in registry:
        registry.withdraw(session)
    assert not len(registry) and not len(registry._by_namespace)
    registry.stop()
