"""Whatever happened in whatever order, readers that joined at any time end with the same set."""

import asyncio

import hypothesis
import hypothesis.strategies as st

from tests.operator.sinks.revocation_log.house import KEYS, Reader, Writer, ask, assert_sound, members, writing
from tests.support.valkey import ValkeyServer

NAMES = st.sampled_from([f"user{number}" for number in range(6)])
WISHES = st.lists(st.frozensets(NAMES), min_size=1, max_size=6)
EVENTS = ["nothing", "restart", "flush", "evict", "foreign"]


@hypothesis.given(wishes=WISHES, data=st.data())
@hypothesis.settings(
    max_examples=25, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture], deadline=None
)
def test_any_history_leaves_set_log_and_every_reader_in_agreement(
    server: ValkeyServer, wishes: list[frozenset[str]], data: st.DataObject
) -> None:
    ask(server, "FLUSHALL")
    readers: list[Reader] = []

    async def live() -> None:
        async with writing(server) as writer:
            current = writer
            for wish in wishes:
                happening = data.draw(st.sampled_from(EVENTS))
                if happening == "restart":
                    current = Writer(writer.client)
                elif happening == "evict":
                    ask(server, "DEL", KEYS.revocations)
                elif happening == "foreign":
                    ask(server, "ZADD", KEYS.revocations, "1", "foreign")
                elif happening == "flush":
                    ask(server, "FLUSHALL")
                await current.log.publish(members(*wish))
                assert_sound(server, members(*wish))
                reader = Reader(server)
                reader.load()
                readers.append(reader)

    asyncio.run(live())
    for reader in readers:
        reader.follow()
        assert reader.members == members(*wishes[-1])
