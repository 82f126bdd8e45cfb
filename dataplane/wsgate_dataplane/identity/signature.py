"""Signatures: the only module that knows python-jose.

It takes from the library what it does well, the cryptography behind a Key, and none of its policy:
jose ignores kid, use, key_ops and crit, and accepts small keys. jose.jwe and HMAC are never used.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from jose import jwk
from jose.backends.base import Key as JoseKey
from jose.exceptions import JOSEError

from wsgate_contract.route import Algorithm

KEY_ERRORS = (JOSEError, ArithmeticError, LookupError, TypeError, UnsupportedAlgorithm, ValueError)
"""What the libraries raise for parameters that make no key."""

_HASHES: Mapping[str, type[hashes.SHA256 | hashes.SHA384 | hashes.SHA512]] = {
    "PS256": hashes.SHA256,
    "PS384": hashes.SHA384,
    "PS512": hashes.SHA512,
}


class Verifier(Protocol):
    """A built key for one algorithm."""

    def verify(self, msg: bytes, sig: bytes) -> bool:
        """Whether sig is this key's signature of msg."""


class _PSSKey(JoseKey):
    """RSASSA-PSS (RFC 7518 3.5), which jose lacks."""

    def __init__(self, key: rsa.RSAPublicKey, algorithm: str) -> None:
        self._key = key
        self._hash = _HASHES[algorithm]()
        # Salt as long as the digest, exactly: a free length would accept more spellings.
        self._padding = padding.PSS(padding.MGF1(self._hash), self._hash.digest_size)

    def verify(self, msg: bytes, sig: bytes) -> bool:
        self._key.verify(sig, msg, self._padding, self._hash)
        return True


class _Ed25519Key(JoseKey):
    """EdDSA on Ed25519 (RFC 8037), which jose lacks; x: the 32 bytes of the public key."""

    def __init__(self, x: bytes, algorithm: str) -> None:
        self._key = ed25519.Ed25519PublicKey.from_public_bytes(x)

    def verify(self, msg: bytes, sig: bytes) -> bool:
        self._key.verify(sig, msg)
        return True


@cache
def _register() -> None:
    """Once, and not at import."""
    for algorithm in _HASHES:
        jwk.register_key(algorithm, _PSSKey)
    jwk.register_key("EdDSA", _Ed25519Key)


def build_rsa(n: str, e: str, algorithms: Iterable[Algorithm]) -> dict[Algorithm, Verifier]:
    """Modulus and exponent in base64url; raises one of KEY_ERRORS."""
    _register()
    public = _construct({"kty": "RSA", "n": n, "e": e}, "RS256").prepared_key
    return {algorithm: _construct(public, algorithm) for algorithm in algorithms}


def build_ec(crv: str, x: str, y: str, algorithm: Algorithm) -> dict[Algorithm, Verifier]:
    """Coordinates in base64url; raises one of KEY_ERRORS."""
    return {algorithm: _construct({"kty": "EC", "crv": crv, "x": x, "y": y}, algorithm)}


def build_ed25519(x: bytes) -> dict[Algorithm, Verifier]:
    """Raises one of KEY_ERRORS."""
    _register()
    return {"EdDSA": _construct(x, "EdDSA")}


def _construct(material: Any, algorithm: str) -> Any:
    # Untyped: the published types know neither prepared_key nor a key object as material.
    return jwk.construct(material, algorithm)


def verify(
    verifiers: Mapping[Algorithm, Verifier], algorithm: Algorithm, signing_input: bytes, signature: bytes
) -> bool:
    """The one place where a signature is believed; False for a key that was not built for algorithm."""
    try:
        return verifiers[algorithm].verify(signing_input, signature) is True
    except Exception:  # noqa: BLE001  # whatever a hostile token makes the libraries raise, it is not valid
        return False
