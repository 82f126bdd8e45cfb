"""A token issuer for tests: real keys, made once per process, and tokens as broken as a test wants them."""

import base64
import json
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

ISSUER = "https://idp.example.com/realms/test"
AUDIENCE = "gateway"
LIFETIME_SECONDS = 300

Result = TypeVar("Result")
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
CURVES: dict[str, tuple[str, type[ec.EllipticCurve]]] = {
    "ES256": ("P-256", ec.SECP256R1),
    "ES384": ("P-384", ec.SECP384R1),
    "ES512": ("P-521", ec.SECP521R1),
}


@cache
def private_key(kind: str, name: str, bits: int = 2048) -> PrivateKey:
    """The key of that name; kind: RSA, Ed25519 or an ES algorithm."""
    if kind == "RSA":
        return rsa.generate_private_key(public_exponent=65537, key_size=bits)
    if kind == "Ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key(CURVES[kind][1]())


def base64url(data: bytes) -> str:
    """Without padding (RFC 7515 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value: int, length: int = 0) -> str:
    """Base64urlUInt (RFC 7518 2)."""
    return base64url(value.to_bytes(length or (value.bit_length() + 7) // 8, "big"))


def compact(value: Mapping[str, Any] | bytes) -> str:
    """One part of a token; bytes as they are."""
    return base64url(value if isinstance(value, bytes) else json.dumps(value).encode())


@dataclass(frozen=True)
class Issuer:
    """Signs tokens with one key."""

    name: str = ISSUER
    algorithm: str = "RS256"
    kid: str | None = "key-1"
    now: Callable[[], float] = time.time
    rsa_bits: int = 2048

    def token(self, *, header: Mapping[str, Any] | None = None, **claims: Any) -> str:
        """A good token; header and claims replace members, a value of ... removes one."""
        issued_at = int(self.now())
        payload = {
            "iss": self.name,
            "sub": "alice",
            "aud": AUDIENCE,
            "iat": issued_at,
            "exp": issued_at + LIFETIME_SECONDS,
            "jti": "jti-1",
        }
        return self.sign({**self.header(), **(header or {})}, {**payload, **claims})

    def header(self) -> dict[str, Any]:
        """What a good token's header says."""
        return {"alg": self.algorithm, "typ": "at+jwt", "kid": ... if self.kid is None else self.kid}

    def sign(self, header: Mapping[str, Any] | bytes, payload: Mapping[str, Any] | bytes) -> str:
        """A correct signature over anything."""
        parts = [part if isinstance(part, bytes) else _present(part) for part in (header, payload)]
        signing_input = ".".join(map(compact, parts))
        return f"{signing_input}.{base64url(self.signature(signing_input.encode()))}"

    def signature(self, data: bytes) -> bytes:
        """By the issuer's key and algorithm."""
        key = self._key
        if isinstance(key, ed25519.Ed25519PrivateKey):
            return key.sign(data)
        digest = HASHES[self.algorithm[2:]]
        if isinstance(key, rsa.RSAPrivateKey):
            if self.algorithm.startswith("PS"):
                return key.sign(data, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
            return key.sign(data, padding.PKCS1v15(), digest)
        length = (key.curve.key_size + 7) // 8
        r, s = decode_dss_signature(key.sign(data, ec.ECDSA(digest)))
        return r.to_bytes(length, "big") + s.to_bytes(length, "big")

    def jwk(self, **members: Any) -> dict[str, Any]:
        """The public key; members replace or add, a value of ... removes one."""
        public = self._key.public_key()
        found: dict[str, Any] = {"kid": ... if self.kid is None else self.kid, "use": "sig", "alg": self.algorithm}
        if isinstance(public, rsa.RSAPublicKey):
            numbers = public.public_numbers()
            found |= {"kty": "RSA", "n": number(numbers.n), "e": number(numbers.e)}
        elif isinstance(public, ec.EllipticCurvePublicKey):
            length, point = (public.key_size + 7) // 8, public.public_numbers()
            found |= {"kty": "EC", "crv": CURVES[self.algorithm][0]}
            found |= {"x": number(point.x, length), "y": number(point.y, length)}
        else:
            found |= {"kty": "OKP", "crv": "Ed25519", "x": base64url(public.public_bytes_raw())}
        return _present({**found, **members})

    def jwks(self, *others: Any) -> dict[str, Any]:
        """The set with the issuer's key and others, given as JWKs."""
        return {"keys": [self.jwk(), *others]}

    @property
    def _key(self) -> PrivateKey:
        kind = "RSA" if self.algorithm[:2] in ("RS", "PS") else self.algorithm
        return private_key("Ed25519" if kind == "EdDSA" else kind, f"{self.name} {self.kid}", self.rsa_bits)


def _present(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not ...}


def immediate(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """The result of a coroutine that never waits; fails the test where it does."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: Result = stop.value
        return result
    coroutine.close()
    raise AssertionError("it waited")
