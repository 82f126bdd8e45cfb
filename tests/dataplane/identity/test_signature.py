"""Signatures hold for the right key, algorithm and bytes; whatever else happens is a no."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.tokens import Issuer
from wsgate_contract.route import Algorithm
from wsgate_dataplane.identity.keys import ALGORITHMS, KeySet
from wsgate_dataplane.identity.signature import Verifier, verify

DATA = b"header.payload"


def verifiers(issuer: Issuer) -> dict[Algorithm, Verifier]:
    keys = KeySet.from_json(json.dumps({"keys": [issuer.jwk(alg=...)]}).encode())
    return dict(keys.keys[0].verifiers)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_each_algorithm_verifies_its_own_signature_and_no_other(algorithm: Algorithm) -> None:
    issuer = Issuer(algorithm=algorithm)
    signature, built = issuer.signature(DATA), verifiers(issuer)
    assert [name for name in ALGORITHMS if verify(built, name, DATA, signature)] == [algorithm]
    assert not verify(built, algorithm, DATA + b"x", signature)
    assert not verify(verifiers(Issuer(algorithm=algorithm, kid="other")), algorithm, DATA, signature)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_changed_cut_or_longer_signature_is_a_no(algorithm: Algorithm) -> None:
    issuer = Issuer(algorithm=algorithm)
    signature, built = issuer.signature(DATA), verifiers(issuer)
    for changed in (b"", signature[:-1], signature + b"\0", b"\0" * len(signature), signature[::-1]):
        assert not verify(built, algorithm, DATA, changed)


@given(st.sampled_from(ALGORITHMS), st.binary(max_size=600))
def test_no_bytes_at_all_are_a_signature_or_an_error(algorithm: Algorithm, signature: bytes) -> None:
    assert verify(verifiers(Issuer(algorithm=algorithm)), algorithm, DATA, signature) is False


@pytest.mark.parametrize("error", [RecursionError, UnicodeEncodeError, OverflowError, TypeError, MemoryError])
def test_every_exception_of_the_library_is_a_no(error: type[Exception]) -> None:
    class Broken:
        def verify(self, msg: bytes, sig: bytes) -> bool:
            raise error("utf-8", "", 0, 1, "") if error is UnicodeEncodeError else error

    assert verify({"RS256": Broken()}, "RS256", DATA, b"") is False


def test_only_true_itself_is_a_yes() -> None:
    class Odd:
        def verify(self, msg: bytes, sig: bytes) -> bool:
            return 1  # type: ignore[return-value]  # what an untyped library could return

    assert verify({"RS256": Odd()}, "RS256", DATA, b"") is False


def test_an_ecdsa_signature_has_a_second_valid_form_so_nothing_is_keyed_by_it() -> None:
    # r, n - s verifies too: revocations and caches count the signing input only.
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    issuer = Issuer(algorithm="ES256")
    signature = issuer.signature(DATA)
    twin = signature[:32] + (order - int.from_bytes(signature[32:], "big")).to_bytes(32, "big")
    assert twin != signature and verify(verifiers(issuer), "ES256", DATA, twin)
