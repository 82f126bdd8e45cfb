"""Only a holder of the key can make a value, and only for the proof and the expiry that it names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate_dataplane.identity.stores.seal import EXPIRY_BYTES, VALUE_BYTES, Seal

KEY = "k" * 32
PROOF = bytes(range(32))


@given(st.binary(min_size=32, max_size=32), st.integers(0, 2**63))
def test_what_was_sealed_opens_to_its_expiry(proof: bytes, expires_at: int) -> None:
    value = Seal(KEY).close(proof, expires_at)
    assert len(value) == VALUE_BYTES
    assert Seal(KEY).open(proof, value) == expires_at


@given(st.binary(max_size=VALUE_BYTES + 8))
def test_no_other_bytes_open(value: bytes) -> None:
    assert Seal(KEY).open(PROOF, value) is None


@pytest.mark.parametrize("position", range(VALUE_BYTES))
def test_a_value_changed_in_one_bit_does_not_open(position: int) -> None:
    value = bytearray(Seal(KEY).close(PROOF, 1_800_000_000))
    value[position] ^= 1
    assert Seal(KEY).open(PROOF, bytes(value)) is None


def test_a_value_of_another_proof_another_expiry_or_another_key_does_not_open() -> None:
    seal, other = Seal(KEY), Seal("o" * 32)
    assert seal.open(PROOF, seal.close(PROOF[::-1], 10)) is None
    assert seal.open(PROOF, seal.close(PROOF, 11)[:EXPIRY_BYTES] + seal.close(PROOF, 10)[EXPIRY_BYTES:]) is None
    assert seal.open(PROOF, other.close(PROOF, 10)) is None
    assert seal.open(PROOF, seal.close(PROOF, 10) + b"x") is None
