"""Which key of a set may verify what, and which keys are left out."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import import_key

from tests.support.tokens import Issuer, base64url, number
from wsgate_contract.route import Algorithm
from wsgate_dataplane.identity.keys import KEYS_MAX, JWKSError, KeySet

RSA = Issuer()
EC = Issuer(algorithm="ES256", kid="ec")
ED = Issuer(algorithm="EdDSA", kid="ed")


def read(*jwks: object) -> KeySet:
    return KeySet.from_json(json.dumps({"keys": jwks}).encode())


def fits(jwk: object) -> list[Algorithm]:
    keys = read(jwk).keys
    return sorted(keys[0].verifiers) if keys else []


def test_a_key_fits_the_algorithms_that_its_type_and_curve_allow() -> None:
    assert fits(RSA.jwk(alg=...)) == ["PS256", "PS384", "PS512", "RS256", "RS384", "RS512"]
    for algorithm in ("ES256", "ES384", "ES512"):
        assert fits(Issuer(algorithm=algorithm).jwk(alg=...)) == [algorithm]
    assert fits(ED.jwk(alg=...)) == ["EdDSA"]


def test_a_keys_own_alg_narrows_it_to_that_one() -> None:
    assert fits(RSA.jwk(alg="PS384")) == ["PS384"]


@pytest.mark.parametrize(
    ("jwk", "rule"),
    [
        ("text", "not an object"),
        (None, "not an object"),
        ({}, "kty not supported"),
        ({"kty": ["RSA"]}, "kty not supported"),
        (RSA.jwk(kty="rsa"), "kty not supported"),
        (RSA.jwk(kid=7), "kid is not a short string"),
        (RSA.jwk(kid="x" * 300), "kid is not a short string"),
        (RSA.jwk(use="enc"), "use is not sig"),
        (RSA.jwk(use=None), "use is not sig"),
        (RSA.jwk(use=["sig"]), "use is not sig"),
        (RSA.jwk(key_ops=["encrypt"]), "key_ops lacks verify"),
        (RSA.jwk(key_ops="verify"), "key_ops lacks verify"),
        (RSA.jwk(alg="RSA-OAEP"), "alg does not fit the key or is not supported"),
        (RSA.jwk(alg="ES256"), "alg does not fit the key or is not supported"),
        (RSA.jwk(alg="HS256"), "alg does not fit the key or is not supported"),
        (RSA.jwk(alg=["RS256"]), "alg does not fit the key or is not supported"),
        (EC.jwk(alg="ES384"), "alg does not fit the key or is not supported"),
        (Issuer(rsa_bits=1024, kid="weak").jwk(), "RSA key outside 2048 to 8192 bits"),
        (RSA.jwk(n=number(2**9000 + 1)), "RSA key outside 2048 to 8192 bits"),
        (RSA.jwk(e=number(1)), "RSA exponent out of range"),
        (RSA.jwk(e=number(2**40 + 1)), "RSA exponent out of range"),
        (RSA.jwk(e=number(65536)), "unreadable"),
        (RSA.jwk(n="!!"), "n is not base64url"),
        (RSA.jwk(n="A" * 5000), "n is not base64url"),
        (RSA.jwk(n=7), "n is not base64url"),
        (RSA.jwk(n=...), "n is not base64url"),
        (RSA.jwk(e="A"), "unreadable"),
        (RSA.jwk(d="AQAB"), "a private key"),
        (EC.jwk(crv="secp256k1"), "curve not supported"),
        (EC.jwk(crv=["P-256"]), "crv is not base64url"),
        (EC.jwk(crv="P-384"), "unreadable"),
        (EC.jwk(y="AQAB"), "unreadable"),
        (EC.jwk(x=...), "x is not base64url"),
        (ED.jwk(crv="Ed448"), "curve not supported"),
        (ED.jwk(crv="X25519"), "curve not supported"),
        (ED.jwk(x="AQAB"), "unreadable"),
        ({"kty": "oct", "k": base64url(b"secret"), "alg": "HS256"}, "symmetric key"),
        ({"kty": "oct", "k": ""}, "symmetric key"),
    ],
    ids=str,
)
def test_an_odd_key_is_left_out_and_counted_while_the_others_stay(jwk: object, rule: str) -> None:
    keys = read(jwk, RSA.jwk(kid="good"))
    assert [key.kid for key in keys.keys] == ["good"]
    assert keys.skipped == {rule: 1}


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"keys":{}}', b'{"keys":null}', b"\xff", b"<html>"])
def test_what_is_no_set_at_all_is_an_error(data: bytes) -> None:
    with pytest.raises(JWKSError, match="not a JSON Web Key Set"):
        KeySet.from_json(data)


def test_an_empty_set_is_a_set() -> None:
    assert KeySet.from_json(b'{"keys":[]}') == KeySet()


def test_more_keys_than_the_limit_are_counted_and_not_built() -> None:
    keys = read(*[7] * KEYS_MAX, RSA.jwk(), RSA.jwk())
    assert keys.keys == () and keys.skipped == {"not an object": KEYS_MAX, f"more than {KEYS_MAX} keys": 2}


def test_a_key_is_chosen_by_kid_and_algorithm_together() -> None:
    keys = read(RSA.jwk(), EC.jwk(kid="key-1"), ED.jwk())
    assert keys.choose("key-1", "RS256") is keys.keys[0]
    assert keys.choose("key-1", "ES256") is keys.keys[1]
    assert keys.choose("key-1", "EdDSA") is None
    assert keys.choose("key-1", "RS384") is None
    assert keys.choose("Key-1", "RS256") is None
    assert keys.choose("", "RS256") is None


def test_without_kid_only_a_key_that_is_alone_in_fitting_is_chosen() -> None:
    keys = read(RSA.jwk(), EC.jwk(), Issuer(algorithm="ES256", kid="ec2").jwk())
    assert keys.choose(None, "RS256") is keys.keys[0]
    assert keys.choose(None, "ES256") is None


def test_a_kid_that_two_fitting_keys_share_chooses_neither() -> None:
    assert read(RSA.jwk(), Issuer(kid="x").jwk(kid="key-1")).choose("key-1", "RS256") is None


def test_a_key_without_kid_answers_only_tokens_without_kid() -> None:
    keys = read(RSA.jwk(kid=...))
    assert keys.choose(None, "RS256") is keys.keys[0] and keys.choose("key-1", "RS256") is None


def test_a_leading_zero_octet_changes_nothing() -> None:
    numbers = Issuer()._key.public_key()
    assert isinstance(numbers, rsa.RSAPublicKey)
    modulus = numbers.public_numbers().n
    assert fits(RSA.jwk(n=number(modulus, 257))) == ["RS256"]


def test_the_thumbprint_is_that_of_the_example_in_rfc_7638() -> None:
    modulus = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3"
        "oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdA"
        "ZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-"
        "kEgU8awapJzKnqDKgw"
    )
    (key,) = read({"kty": "RSA", "n": modulus, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"}).keys
    assert base64url(bytes.fromhex(key.thumbprint)) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


@pytest.mark.parametrize("issuer", [RSA, EC, ED])
def test_the_thumbprint_is_of_the_key_alone_and_as_joserfc_has_it(issuer: Issuer) -> None:
    jwk = issuer.jwk()
    (key,) = read(jwk).keys
    (same,) = read({**jwk, "kid": "other", "x5t": "x"}).keys
    assert base64url(bytes.fromhex(key.thumbprint)) == import_key(jwk).thumbprint()
    assert same.thumbprint == key.thumbprint
    assert len({read(each.jwk()).keys[0].thumbprint for each in (RSA, EC, ED, Issuer(kid="key-2"))}) == 4


JSON = (
    st.none()
    | st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.text(max_size=5)
    | st.lists(st.text(max_size=3), max_size=2)
)
MEMBERS = st.dictionaries(
    st.sampled_from(["kid", "use", "alg", "key_ops", "kty", "crv", "n", "e", "x", "y", "d"]), JSON
)


@given(st.sampled_from([RSA, EC, ED]), MEMBERS)
def test_any_change_to_a_key_leaves_a_key_or_a_count(issuer: Issuer, members: dict[str, Any]) -> None:
    keys = read({**issuer.jwk(), **members})
    assert len(keys.keys) + sum(keys.skipped.values()) == 1


@given(st.binary(max_size=60))
def test_any_bytes_are_a_set_or_the_documented_error(data: bytes) -> None:
    try:
        assert KeySet.from_json(data).keys == ()
    except JWKSError:
        pass
