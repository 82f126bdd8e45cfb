"""The operator's sign of life and the leases of pods, false ones among them."""

from tests.operator.sinks.revocation_log.house import KEYS, ask, writing
from tests.support.loops import on_both_loops
from tests.support.valkey import ValkeyServer
from wsgate_contract.revocation_log import LEASE_SECONDS, PodLease
from wsgate_operator.sinks.revocation_log.presence import beat, read_leases


@on_both_loops
async def test_a_beat_lives_as_long_as_a_lease(server: ValkeyServer) -> None:
    async with writing(server) as writer:
        await beat(writer.client, KEYS)
    assert 0 < ask(server, "TTL", KEYS.operator) <= LEASE_SECONDS


@on_both_loops
async def test_only_leases_that_are_there_and_readable_are_told(server: ValkeyServer) -> None:
    lease = PodLease(log_cursor="1-0", routes_version=7)
    with server.client() as client:
        client.set(KEYS.pod("good"), lease.model_dump_json(by_alias=True))
        client.set(KEYS.pod("empty"), "{}")
        client.set(KEYS.pod("broken"), "{")
        client.set(KEYS.pod("bytes"), b"\xff")
        client.set(KEYS.pod("foreign"), '{"x":1}')
        client.set(KEYS.pod("endless"), f'{{"logCursor":"{"9" * 5_000}-1"}}')
        client.rpush(KEYS.pod("list"), "x")
    async with writing(server) as writer:
        asked = ["good", "empty", "broken", "bytes", "foreign", "endless", "list", "gone"]
        assert await read_leases(writer.client, KEYS, asked) == {"good": lease, "empty": PodLease()}
        assert await read_leases(writer.client, KEYS, []) == {}
