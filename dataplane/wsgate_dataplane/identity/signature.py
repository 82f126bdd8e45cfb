"""Signatures: the one module that imports python-jose, behind which all of its pitfalls are closed.

It never chooses the algorithm by itself, takes no symmetric key, and turns every exception of the
library into "no".
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from jose import jwk
from jose.backends.cryptography_backend import CryptographyECKey, CryptographyRSAKey

RSA_BITS_MIN = 2048
RSA_BITS_MAX = 8192
"""A larger modulus only makes every verification slow."""
RSA_PUBLIC_EXPONENT_MAX = 2**32
CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
KEY_TYPES = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
"""kty by the first two letters of the algorithm."""

_PSS_HASHES: dict[str, type[hashes.SHA256] | type[hashes.SHA384] | type[hashes.SHA512]] = {
    "PS256": hashes.SHA256,
    "PS384": hashes.SHA384,
    "PS512": hashes.SHA512,
}


class UnusableKey(ValueError):
    """The JWK cannot verify with this algorithm; the message says why."""


class VerifyingKey(Protocol):
    """A public key made ready for one algorithm."""

    def verify(self, msg: bytes, sig: bytes) -> bool:
        """Whether sig is the key's signature of msg; may raise anything."""


class _PSSKey:
    """RSASSA-PSS with a salt as long as the digest (RFC 7518 3.5)."""

    def __init__(self, key: rsa.RSAPublicKey, algorithm: str) -> None:
        self._key = key
        self._hash = _PSS_HASHES[algorithm]()
        self._padding = padding.PSS(padding.MGF1(self._hash), self._hash.digest_size)

    def verify(self, msg: bytes, sig: bytes) -> bool:
        try:
            self._key.verify(sig, msg, self._padding, self._hash)
        except InvalidSignature:
            return False
        return True


class _Ed25519Key:
    """EdDSA over Ed25519 (RFC 8037)."""

    def __init__(self, key: Ed25519PublicKey) -> None:
        self._key = key

    def verify(self, msg: bytes, sig: bytes) -> bool:
        try:
            self._key.verify(sig, msg)
        except InvalidSignature:
            return False
        return True


def build_key(document: Mapping[str, Any], algorithm: str) -> VerifyingKey:
    """A key of kty RSA, EC or OKP as its public half, ready for algorithm; raises UnusableKey."""
    kty = document.get("kty")
    if kty != KEY_TYPES.get(algorithm[:2]):
        raise UnusableKey(f"kty {kty!r} does not go with {algorithm}")
    try:
        if kty == "OKP":
            return _build_ed25519(document)
        if kty == "EC":
            return _build_ec(document, algorithm)
        return _build_rsa(document, algorithm)
    except UnusableKey:
        raise
    except Exception as error:  # noqa: BLE001  # python-jose raises what its dependencies raise
        raise UnusableKey(type(error).__name__) from error


def _build_rsa(document: Mapping[str, Any], algorithm: str) -> VerifyingKey:
    # Only the public members: a private key in a published set must not change what is built.
    public = {name: document[name] for name in ("kty", "n", "e")}
    built = jwk.construct(public, "RS256" if algorithm in _PSS_HASHES else algorithm)
    assert isinstance(built, CryptographyRSAKey)
    key = built.prepared_key
    if not isinstance(key, rsa.RSAPublicKey):
        raise UnusableKey("not a public RSA key")
    if not RSA_BITS_MIN <= key.key_size <= RSA_BITS_MAX:
        raise UnusableKey(f"RSA modulus of {key.key_size} bits")
    if key.public_numbers().e > RSA_PUBLIC_EXPONENT_MAX:
        raise UnusableKey("RSA exponent above 2^32")
    return _PSSKey(key, algorithm) if algorithm in _PSS_HASHES else _as_verifying(built)


def _build_ec(document: Mapping[str, Any], algorithm: str) -> VerifyingKey:
    if document.get("crv") != CURVES.get(algorithm):
        raise UnusableKey(f"curve {document.get('crv')!r} does not go with {algorithm}")
    built = jwk.construct({name: document[name] for name in ("kty", "crv", "x", "y")}, algorithm)
    assert isinstance(built, CryptographyECKey)
    return _as_verifying(built)


def _build_ed25519(document: Mapping[str, Any]) -> VerifyingKey:
    if document.get("crv") != "Ed25519":
        raise UnusableKey(f"curve {document.get('crv')!r} does not go with EdDSA")
    x = document["x"]
    try:
        raw = base64.urlsafe_b64decode(x + "=" * (-len(x) % 4))
    except (binascii.Error, ValueError, TypeError) as error:
        raise UnusableKey("x is not base64url") from error
    return _Ed25519Key(Ed25519PublicKey.from_public_bytes(raw))


def _as_verifying(key: Any) -> VerifyingKey:
    found: VerifyingKey = key
    return found


def is_signed_by(key: VerifyingKey, signing_input: bytes, signature: bytes) -> bool:
    """Whether the signature holds; whatever goes wrong means that it does not."""
    try:
        return bool(key.verify(signing_input, signature))
    except Exception:  # noqa: BLE001  # the one verify boundary: every exception of the library is a no
        return False
