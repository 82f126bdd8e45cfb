"""A provider's keys: which of a JSON Web Key Set (RFC 7517) may verify what."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from wsgate_contract.route import Algorithm
from wsgate_dataplane.admission.wording import shortened
from wsgate_dataplane.identity import signature
from wsgate_dataplane.identity.compact import base64url_bytes
from wsgate_dataplane.identity.signature import Verifier
from wsgate_dataplane.identity.strict_json import StrictJSONError, parse_object

ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)
RSA_ALGORITHMS = tuple(name for name in ALGORITHMS if name[:2] in ("RS", "PS"))
CURVES: Mapping[str, Algorithm] = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}

RSA_BITS_MIN = 2048
RSA_BITS_MAX = 8192
"""A larger modulus only makes every verification slow."""
RSA_EXPONENT_MAX = 2**32
KEYS_MAX = 64
KID_LENGTH_MAX = 256

THUMBPRINT_MEMBERS: Mapping[str, tuple[str, ...]] = {
    "RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x"),
}  # fmt: skip
"""RFC 7638 3.2; RFC 8037 2."""

_BASE64URL = re.compile(r"[A-Za-z0-9_-]{1,4096}")


class JWKSError(ValueError):
    """The text is no JSON Web Key Set at all."""


class _OddKey(Exception):
    """One key that is left out; the text names the rule."""


@dataclass(frozen=True)
class Key:
    """One usable public key."""

    kid: str | None
    verifiers: Mapping[Algorithm, Verifier] = field(repr=False)
    """By the algorithms that kty, crv, alg, use and key_ops leave open."""
    thumbprint: str
    """SHA-256 of the key itself (RFC 7638 3), in hex: another key under the same kid has another."""

    def verify(self, algorithm: Algorithm, signing_input: bytes, signature_bytes: bytes) -> bool:
        """Never raises."""
        return signature.verify(self.verifiers, algorithm, signing_input, signature_bytes)


@dataclass(frozen=True)
class KeySet:
    """The usable keys, and how many were left out for which rule."""

    keys: tuple[Key, ...] = ()
    skipped: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def from_json(cls, data: bytes) -> "KeySet":
        """Raises JWKSError; a single odd key is skipped and counted instead."""
        try:
            document = parse_object(data)
        except StrictJSONError as error:
            raise JWKSError(f"not a JSON Web Key Set: {error}") from None
        found = document.get("keys")
        if not isinstance(found, list):
            raise JWKSError("not a JSON Web Key Set: no array `keys`")
        keys: list[Key] = []
        skipped = Counter({f"more than {KEYS_MAX} keys": len(found) - KEYS_MAX} if len(found) > KEYS_MAX else {})
        for each in found[:KEYS_MAX]:
            try:
                keys.append(_key(each))
            except _OddKey as odd:
                skipped[str(odd)] += 1
        return cls(tuple(keys), dict(skipped))

    def choose(self, kid: str | None, algorithm: Algorithm) -> Key | None:
        """The only key that fits: kid where the token has one, and algorithm.

        Two that fit are as good as none: trying one after the other would let a token choose its key.
        """
        fitting = [key for key in self.keys if algorithm in key.verifiers and (kid is None or key.kid == kid)]
        return fitting[0] if len(fitting) == 1 else None

    def summary(self) -> str:
        """For a refusal's detail: the kids on offer and what was left out."""
        kids = shortened(ascii([key.kid for key in self.keys[:8]]))
        left_out = "".join(f"; {count} left out: {rule}" for rule, count in self.skipped.items())
        return f"{len(self.keys)} keys {kids}{left_out}"


def _key(jwk: object) -> Key:
    if not isinstance(jwk, dict):
        raise _OddKey("not an object")
    kid = jwk.get("kid")
    if kid is not None and (not isinstance(kid, str) or len(kid) > KID_LENGTH_MAX):
        raise _OddKey("kid is not a short string")
    if jwk.get("use", "sig") != "sig":
        raise _OddKey("use is not sig")
    operations = jwk.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        raise _OddKey("key_ops lacks verify")
    if "d" in jwk:
        # Whoever reads the set can sign with it.
        raise _OddKey("a private key")
    try:
        verifiers = _verifiers(jwk)
    except signature.KEY_ERRORS:
        raise _OddKey("unreadable") from None
    alg = jwk.get("alg")
    if alg is not None:
        verifiers = {name: verifier for name, verifier in verifiers.items() if name == alg}
    if not verifiers:
        raise _OddKey("alg does not fit the key or is not supported")
    return Key(kid, verifiers, _thumbprint(jwk))


def _verifiers(jwk: Mapping[str, Any]) -> Mapping[Algorithm, Verifier]:
    match jwk.get("kty"):
        case "RSA":
            modulus, exponent = _number(jwk, "n"), _number(jwk, "e")
            if not RSA_BITS_MIN <= modulus.bit_length() <= RSA_BITS_MAX:
                raise _OddKey(f"RSA key outside {RSA_BITS_MIN} to {RSA_BITS_MAX} bits")
            if not 3 <= exponent < RSA_EXPONENT_MAX:
                raise _OddKey("RSA exponent out of range")
            return signature.build_rsa(jwk["n"], jwk["e"], RSA_ALGORITHMS)
        case "EC":
            curve = _text(jwk, "crv")
            if curve not in CURVES:
                raise _OddKey("curve not supported")
            return signature.build_ec(curve, _text(jwk, "x"), _text(jwk, "y"), CURVES[curve])
        case "OKP":
            if jwk.get("crv") != "Ed25519":
                raise _OddKey("curve not supported")
            return signature.build_ed25519(base64url_bytes(_text(jwk, "x")))
        case "oct":
            # A shared secret in a set of public keys: CVE-2026-85394 begins with one.
            raise _OddKey("symmetric key")
        case _:
            raise _OddKey("kty not supported")


def _thumbprint(jwk: Mapping[str, Any]) -> str:
    members = {name: jwk[name] for name in THUMBPRINT_MEMBERS[jwk["kty"]]}
    return hashlib.sha256(json.dumps(members, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _text(jwk: Mapping[str, Any], name: str) -> str:
    value = jwk.get(name)
    if not isinstance(value, str) or not _BASE64URL.fullmatch(value):
        raise _OddKey(f"{name} is not base64url")
    return value


def _number(jwk: Mapping[str, Any], name: str) -> int:
    return int.from_bytes(base64url_bytes(_text(jwk, name)), "big")
