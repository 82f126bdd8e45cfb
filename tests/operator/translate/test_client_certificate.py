"""What people hand in as a client certificate is checked, and one form comes out."""

import base64
import time
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from tests.support.certificates import authority_pem, certificate, key_pem, pair
from wsgate_operator.translate.client_certificate import (
    BYTES_MAX,
    SecretRef,
    UnusableCertificate,
    read_pair,
    read_secret,
)

NOW = time.time()
CERTIFICATE, KEY = pair("client.test")
PEM, PKCS8, PLAIN = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()


def secret(**changes: Any) -> dict[str, Any]:
    data = {"tls.crt": base64.b64encode(CERTIFICATE).decode(), "tls.key": base64.b64encode(KEY).decode()}
    return {"type": "kubernetes.io/tls", "data": data, **changes}


def refusal(certificates: bytes = CERTIFICATE, key: bytes = KEY) -> str:
    with pytest.raises(UnusableCertificate) as caught:
        read_pair(certificates, key, NOW)
    return str(caught.value)


def test_a_pair_comes_out_as_chain_and_key_and_says_when_it_expires() -> None:
    found = read_secret(secret(), NOW)
    assert found == read_pair(CERTIFICATE, KEY, NOW)
    assert found.pem == CERTIFICATE + KEY
    assert NOW + 3500 < found.expires_at < NOW + 3700
    assert "PRIVATE" not in repr(found)


def test_intermediates_stay_and_whatever_else_stands_in_the_files_does_not() -> None:
    chain = b"subject=me\n" + CERTIFICATE + authority_pem().encode() + KEY
    assert read_pair(chain, b"a comment\n" + KEY, NOW).pem == CERTIFICATE + authority_pem().encode() + KEY


def test_a_key_in_an_older_form_comes_out_as_pkcs8() -> None:
    key = serialization.load_pem_private_key(KEY, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    older = key.private_bytes(PEM, serialization.PrivateFormat.TraditionalOpenSSL, PLAIN)
    assert read_pair(CERTIFICATE, older, NOW).pem == CERTIFICATE + KEY


def test_a_key_of_another_certificate_is_refused() -> None:
    assert "does not match the first certificate in tls.crt" in refusal(key=pair("other.test")[1])
    assert "does not match" in refusal(authority_pem().encode() + CERTIFICATE)


@pytest.mark.parametrize(("hours", "words"), [((-2, -1), "expired at 20"), ((1, 2), "not good before 20")])
def test_a_certificate_out_of_its_time_is_refused(hours: tuple[float, float], words: str) -> None:
    assert words in refusal(*pair("late.test", valid_hours=hours))


def test_what_is_no_pem_is_named_by_its_key() -> None:
    assert refusal(b"junk").startswith("tls.crt holds no certificates in PEM")
    assert refusal(key=b"junk").startswith("tls.key holds no private key in PEM")
    assert refusal(CERTIFICATE.replace(b"MII", b"!!!")).startswith("tls.crt holds no certificates")


def test_an_encrypted_key_is_refused_without_asking_for_its_passphrase() -> None:
    key = serialization.load_pem_private_key(KEY, None)
    locked = key.private_bytes(PEM, PKCS8, serialization.BestAvailableEncryption(b"secret"))
    assert "tls.key is encrypted: store it without a passphrase" in refusal(key=locked)


def test_kinds_and_sizes_of_keys_that_tls_refuses_are_told_before() -> None:
    short = rsa.generate_private_key(65537, 1024)
    assert "RSA of 1024 bits: use 2048" in refusal(key=short.private_bytes(PEM, PKCS8, PLAIN))
    odd = dsa.generate_private_key(2048)
    assert "a kind that TLS does not use" in refusal(key=odd.private_bytes(PEM, PKCS8, PLAIN))


def test_ed25519_is_taken() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    assert "does not match" in refusal(key=key.private_bytes(PEM, PKCS8, PLAIN))


def test_too_much_is_refused_before_it_is_parsed() -> None:
    assert "longer than 64 KiB" in refusal(CERTIFICATE * (BYTES_MAX // len(CERTIFICATE) + 1))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"type": "Opaque"}, "its type is Opaque: make one of type kubernetes.io/tls"),
        ({"type": None}, "its type is None"),
        ({"data": None}, "it has no tls.crt"),
        ({"data": {"tls.crt": base64.b64encode(CERTIFICATE).decode()}}, "it has no tls.key"),
        ({"data": {"tls.crt": "!", "tls.key": "!"}}, "tls.crt is not base64"),
        ({"data": {"tls.crt": 7, "tls.key": "!"}}, "it has no tls.crt"),
    ],
)
def test_a_secret_of_another_kind_says_what_is_wrong(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UnusableCertificate, match=words.replace("(", r"\(")):
        read_secret(secret(**changes), NOW)


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_any_bytes_are_a_pair_or_a_documented_error_that_does_not_quote_them(first: bytes, second: bytes) -> None:
    for certificates, key in (
        (first, second),
        (CERTIFICATE + first, KEY + second),
        (CERTIFICATE[:-9] + first, KEY),
    ):
        try:
            read_pair(certificates, key, NOW)
        except UnusableCertificate as error:
            assert "BEGIN EC" not in str(error)


def test_a_reference_is_told_by_namespace_and_name() -> None:
    assert str(SecretRef("shop", "client")) == "Secret shop/client"
    assert SecretRef("shop", "client").id != SecretRef("cart", "client").id


def test_the_key_is_the_first_certificates_whatever_issued_it() -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    own = certificate("self.test", key, None).public_bytes(PEM)
    assert read_pair(own, key_pem(key), NOW).pem.startswith(own)
