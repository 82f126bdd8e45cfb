"""A server that may evict revocations is named as a problem, with the setting."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.operator.sinks.revocation_log.house import ask, writing
from tests.support.loops import on_both_loops
from tests.support.valkey import ValkeyServer, valkey
from wsgate_operator.sinks.revocation_log.eviction import Eviction, check_eviction
from wsgate_operator.sinks.revocation_log.fault import RevocationLogError


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[ValkeyServer]:
    with valkey(tmp_path) as server:
        yield server


@pytest.mark.parametrize("policy", ["noeviction", "volatile-lru", "volatile-ttl"])
@on_both_loops
async def test_a_policy_that_spares_keys_without_expiry_is_no_problem(
    own_server: ValkeyServer, policy: str
) -> None:
    ask(own_server, "CONFIG", "SET", "maxmemory-policy", policy)
    async with writing(own_server) as writer:
        assert await check_eviction(writer.client) == Eviction(policy, is_possible=False, problem="")


@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-lfu", "allkeys-random"])
@on_both_loops
async def test_a_policy_that_evicts_any_key_is_a_problem(own_server: ValkeyServer, policy: str) -> None:
    ask(own_server, "CONFIG", "SET", "maxmemory-policy", policy)
    async with writing(own_server) as writer:
        found = await check_eviction(writer.client)
    assert found.is_possible
    assert policy in found.problem
    assert "WSGATE_REDIS_EVICTION=Warn" in found.problem


@on_both_loops
async def test_a_policy_that_may_not_be_read_is_a_remark(own_server: ValkeyServer) -> None:
    ask(own_server, "ACL", "SETUSER", "default", "-info")
    async with writing(own_server) as writer:
        found = await check_eviction(writer.client)
    assert (found.policy, found.is_possible) == (None, False)
    assert "noeviction" in found.problem


@on_both_loops
async def test_a_server_that_is_away_is_an_error(own_server: ValkeyServer) -> None:
    own_server.kill()
    async with writing(own_server) as writer:
        with pytest.raises(RevocationLogError):
            await check_eviction(writer.client)
