"""A client certificate as people hand it in: checked, and brought into the one form in which it is passed on."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from wsgate_contract.client_certificate import certificate_id

FIELD = "spec.upstreamTLS.clientCertificateRef"
SECRET_TYPE = "kubernetes.io/tls"
CERTIFICATE_KEY, PRIVATE_KEY = "tls.crt", "tls.key"
BYTES_MAX = 64 * 1024
"""Of chain and key together, in PEM: some thirty certificates."""
RSA_BITS_MIN = 2048
"""TLS libraries refuse to use a smaller one."""

_KINDS = (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey)


class SecretRef(NamedTuple):
    """A Secret, by the namespace of the route that names it: no route can name another's."""

    namespace: str
    name: str

    @property
    def id(self) -> str:
        """Of its copy."""
        return certificate_id(self.namespace, self.name)

    def __str__(self) -> str:
        return f"Secret {self.namespace}/{self.name}"


class UnusableCertificate(ValueError):
    """The text says what is wrong and the way out; it never quotes content."""


@dataclass(frozen=True)
class ClientCertificate:
    """pem: the chain, its first certificate first, then the key; expires_at: of the first, in Unix seconds."""

    pem: bytes = field(repr=False)
    expires_at: float


def read_secret(document: Mapping[str, Any], now: float) -> ClientCertificate:
    """Of a Secret as the API server has it; now in Unix seconds. Raises UnusableCertificate."""
    if document.get("type") != SECRET_TYPE:
        raise UnusableCertificate(
            f"its type is {document.get('type')}: make one of type {SECRET_TYPE}, as `kubectl create secret tls` "
            "does"
        )
    data = document.get("data")
    values = data if isinstance(data, Mapping) else {}
    return read_pair(_decoded(values, CERTIFICATE_KEY), _decoded(values, PRIVATE_KEY), now)


def read_pair(certificates: bytes, key: bytes, now: float) -> ClientCertificate:
    """Of tls.crt and tls.key in PEM; now in Unix seconds. Raises UnusableCertificate."""
    if len(certificates) + len(key) > BYTES_MAX:
        raise UnusableCertificate(
            f"{CERTIFICATE_KEY} and {PRIVATE_KEY} are longer than {BYTES_MAX // 1024} KiB: keep the client's "
            "certificate and its intermediates alone"
        )
    chain, private_key = _chain(certificates), _private_key(key)
    first = chain[0]
    if _public_bytes(first.public_key()) != _public_bytes(private_key.public_key()):
        raise UnusableCertificate(
            f"{PRIVATE_KEY} does not match the first certificate in {CERTIFICATE_KEY}: put the client's own "
            "certificate first, and the key that it was issued for beside it"
        )
    expires_at = first.not_valid_after_utc.timestamp()
    if expires_at <= now:
        raise UnusableCertificate(f"{CERTIFICATE_KEY} expired at {_moment(first.not_valid_after_utc)}: renew it")
    if first.not_valid_before_utc.timestamp() > now:
        since = _moment(first.not_valid_before_utc)
        raise UnusableCertificate(f"{CERTIFICATE_KEY} is not good before {since}: wait, or set the clocks right")
    parts = [each.public_bytes(Encoding.PEM) for each in chain]
    parts.append(private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return ClientCertificate(b"".join(parts), expires_at)


def _decoded(data: Mapping[str, Any], key: str) -> bytes:
    text = data.get(key)
    if not isinstance(text, str) or not text:
        raise UnusableCertificate(f"it has no {key}: add it")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise UnusableCertificate(f"{key} is not base64: write it anew") from None


def _chain(text: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(text)
    except (ValueError, UnsupportedAlgorithm):
        raise UnusableCertificate(
            f"{CERTIFICATE_KEY} holds no certificates in PEM: it must begin with -----BEGIN CERTIFICATE-----"
        ) from None


def _private_key(text: bytes) -> Any:
    try:
        found = load_pem_private_key(text, None)
    except TypeError:
        # What the library raises where a passphrase is asked for.
        raise UnusableCertificate(
            f"{PRIVATE_KEY} is encrypted: store it without a passphrase (openssl pkey -in … -out …)"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise UnusableCertificate(f"{PRIVATE_KEY} holds no private key in PEM: write it anew") from None
    if not isinstance(found, _KINDS):
        raise UnusableCertificate(f"{PRIVATE_KEY} is of a kind that TLS does not use: use RSA, EC or Ed25519")
    if isinstance(found, rsa.RSAPrivateKey) and found.key_size < RSA_BITS_MIN:
        raise UnusableCertificate(
            f"{PRIVATE_KEY} is RSA of {found.key_size} bits: use {RSA_BITS_MIN} or more, or an EC key"
        )
    return found


def _public_bytes(key: Any) -> bytes:
    found: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return found


def _moment(when: datetime) -> str:
    return when.astimezone(UTC).isoformat().replace("+00:00", "Z")
