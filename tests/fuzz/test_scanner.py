"""The fuzz target holds for what Hypothesis finds."""

from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.scanner import one_input

first_bytes = st.sampled_from([b"\x81", b"\x82", b"\x01", b"\x80", b"\x88", b"\x89", b"\xc1", b"\x00"])
second_bytes = st.sampled_from([b"\x80", b"\x85", b"\xfd", b"\xfe", b"\xff", b"\x05", b"\x7e"])
pieces = st.one_of(first_bytes, second_bytes, st.binary(max_size=12))


@given(st.binary(min_size=2, max_size=2), st.lists(pieces, max_size=40).map(b"".join))
def test_any_bytes_are_a_prefix_of_themselves_and_end_in_a_known_state(mode: bytes, stream: bytes) -> None:
    one_input(mode + stream)
