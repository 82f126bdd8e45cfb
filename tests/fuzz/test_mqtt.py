"""The fuzz target holds for what Hypothesis finds."""

from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from tests.dataplane.protocols.mqtt.samples import connects, streams
from tests.fuzz.mqtt import one_input
from wsgate_dataplane.protocols.mqtt.connect import Connect, write_connect

modes = st.binary(min_size=2, max_size=2)


@given(modes, st.binary(max_size=80))
def test_any_bytes_are_a_connect_or_an_error(mode: bytes, stream: bytes) -> None:
    one_input(mode + stream)


@given(modes, connects(), st.binary(max_size=8), st.integers(0, 200))
def test_a_damaged_connect_is_a_connect_or_an_error(
    mode: bytes, connect: Connect, noise: bytes, place: int
) -> None:
    data = write_connect(connect)
    one_input(mode + data[:place] + noise + data[place + len(noise) :])


@given(modes, st.data())
def test_any_frames_are_a_prefix_of_themselves_and_end_in_a_known_state(mode: bytes, data: st.DataObject) -> None:
    masked, level = bool(mode[0] & 1), 3 + (mode[0] >> 1) % 3
    payloads = data.draw(st.lists(streams(level, from_client=masked) | st.binary(max_size=9), max_size=4))
    opcodes = st.sampled_from([Opcode.BINARY, Opcode.BINARY, Opcode.CONT, Opcode.TEXT])
    frames = [
        Frame(data.draw(opcodes), payload, data.draw(st.booleans())).serialize(mask=masked) for payload in payloads
    ]
    one_input(mode + b"".join(frames))
