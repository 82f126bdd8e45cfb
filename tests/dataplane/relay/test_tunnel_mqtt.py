"""Last words to an MQTT client stand where a packet ends, or are left out."""

import pytest
from websockets.frames import Opcode

from tests.support.loops import on_both_loops
from tests.support.mqtt import connack, publish
from tests.support.sockets import Opened, Relay, frame, relaying
from wsgate_dataplane.frames.build import data_frame
from wsgate_dataplane.frames.scanner import BINARY
from wsgate_dataplane.protocols.mqtt.last_words import LastWords

WORDS = LastWords(data_frame(BINARY, b"instead of CONNACK"), data_frame(BINARY, b"DISCONNECT"))
GREETING = frame(Opcode.BINARY, b"CONNECT", mask=True)
LONG = publish("a", bytes(100))


async def mqtt_session(relay: Relay) -> Opened:
    relay.mqtt_level = 5
    relay.greeting = GREETING
    session = await relay.open()
    assert await session.upstream.exactly(len(GREETING)) == GREETING
    return session


def from_broker(payload: bytes) -> bytes:
    return frame(Opcode.BINARY, payload, mask=False)


@pytest.mark.parametrize("is_answered", [False, True], ids=["before the CONNACK", "after it"])
@on_both_loops
async def test_the_words_depend_on_whether_the_broker_has_answered(
    is_answered: bool,  # noqa: FBT001  # from the list above
) -> None:
    async with relaying() as relay:
        session = await mqtt_session(relay)
        if is_answered:
            await session.upstream.send(from_broker(connack()))
            assert (await session.client.frame()).payload == connack()
        session.close(1008, "revoked", WORDS)
        said = await session.client.frame()
        assert said.payload == (b"DISCONNECT" if is_answered else b"instead of CONNACK")
        assert (await session.client.frame()).close == (1008, "revoked")
        assert (await session.upstream.frame()).close == (1008, "revoked")
        await session.end()


@on_both_loops
async def test_words_wait_for_a_packet_that_spans_frames_and_nothing_behind_it_passes() -> None:
    async with relaying() as relay:
        relay.limit(grace_seconds=5, close_seconds=8)
        session = await mqtt_session(relay)
        begin, middle, end = LONG[:40], LONG[40:70], LONG[70:]
        await session.upstream.send(from_broker(connack() + begin))
        assert (await session.client.frame()).payload == connack() + begin
        session.close(1008, "revoked", WORDS)
        await session.upstream.send(from_broker(middle))
        assert (await session.client.frame()).payload == middle
        await session.upstream.send(from_broker(end) + from_broker(publish("a", b"behind")))
        assert (await session.client.frame()).payload == end
        assert (await session.client.frame()).payload == b"DISCONNECT"
        assert (await session.client.frame()).close == (1008, "revoked")
        assert await session.client.rest() == b""
        await session.end()


@on_both_loops
async def test_words_inside_a_fragmented_message_are_its_last_fragment() -> None:
    async with relaying() as relay:
        session = await mqtt_session(relay)
        await session.upstream.send(frame(Opcode.BINARY, connack(), fin=False, mask=False))
        assert not (await session.client.frame()).is_final
        session.close(1008, "revoked", WORDS)
        said = await session.client.frame()
        assert (said.opcode, said.is_final, said.payload) == (Opcode.CONT, True, b"DISCONNECT")
        assert (await session.client.frame()).close == (1008, "revoked")
        await session.end()


@pytest.mark.parametrize("is_inside", [False, True], ids=["first fragment", "last fragment"])
@on_both_loops
async def test_words_behind_a_fragment_that_is_not_forwarded_fit_what_was(
    is_inside: bool,  # noqa: FBT001  # from the list above
) -> None:
    async with relaying() as relay:
        relay.react = lambda recorder, _: recorder.engine.close(recorder.id, 1002, "protocol error", WORDS)
        session = await mqtt_session(relay)
        await session.upstream.send(frame(Opcode.BINARY, connack(), fin=not is_inside, mask=False))
        await session.client.frame()
        # No broker may send a CONNECT.
        opcode = Opcode.CONT if is_inside else Opcode.BINARY
        await session.upstream.send(frame(opcode, b"\x10\x02", fin=is_inside, mask=False))
        said = await session.client.frame()
        assert (said.opcode, said.payload) == (Opcode.CONT if is_inside else Opcode.BINARY, b"DISCONNECT")
        assert (await session.client.frame()).close == (1002, "protocol error")
        await session.end()


@on_both_loops
async def test_a_packet_that_does_not_end_within_the_grace_costs_the_words_and_not_the_close() -> None:
    async with relaying() as relay:
        session = await mqtt_session(relay)
        await session.upstream.send(from_broker(connack() + LONG[:40]))
        await session.client.frame()
        session.close(1008, "revoked", WORDS)
        assert (await session.client.frame()).close == (1008, "revoked")
        await session.end()


@on_both_loops
async def test_behind_a_brokers_own_disconnect_there_are_no_words() -> None:
    async with relaying() as relay:
        session = await mqtt_session(relay)
        await session.upstream.send(from_broker(connack() + b"\xe0\x00"))
        await session.client.frame()
        session.close(1012, "service restart", WORDS)
        assert (await session.client.frame()).close == (1012, "service restart")
        await session.end()


@on_both_loops
async def test_a_brokers_close_that_comes_first_is_the_only_one() -> None:
    async with relaying() as relay:
        relay.limit(grace_seconds=5, close_seconds=8)
        session = await mqtt_session(relay)
        await session.upstream.send(from_broker(connack() + LONG[:40]))
        await session.client.frame()
        session.close(1008, "revoked", WORDS)
        await session.upstream.send(from_broker(LONG[40:]) + frame(Opcode.CLOSE, b"\x03\xe8", mask=False))
        assert (await session.client.frame()).payload == LONG[40:]
        assert (await session.client.frame()).payload == b"DISCONNECT"
        assert (await session.client.frame()).close == (1008, "revoked")
        await session.end()
