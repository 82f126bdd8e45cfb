"""A signing key for development: made once, kept readable by its owner only."""

import base64
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

ISSUER = "https://wsgate.invalid/development"
"""A name that no identity provider can have (RFC 6761)."""
AUDIENCE = "wsgate"
BITS_MIN = 2048
"""RFC 7518 3.3; the gateway refuses shorter keys."""


def default_key_path() -> Path:
    """$XDG_STATE_HOME/wsgate/development-key.pem, below ~/.local/state where that is unset."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "wsgate" / "development-key.pem"


def _read(path: Path) -> rsa.RSAPrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (TypeError, UnsupportedAlgorithm) as error:
        # TypeError: the key is encrypted.
        raise ValueError(f"{path}: {error}") from error
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < BITS_MIN:
        raise ValueError(f"{path}: not an RSA key of at least {BITS_MIN} bits")
    return key


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _number(value: int) -> str:
    return _base64url(value.to_bytes((value.bit_length() + 7) // 8, "big"))


@dataclass(frozen=True)
class DevelopmentKey:
    """An RSA key that signs RS256 tokens."""

    key: rsa.RSAPrivateKey

    @classmethod
    def create(cls) -> "DevelopmentKey":
        """A new key."""
        return cls(rsa.generate_private_key(public_exponent=65537, key_size=BITS_MIN))

    @classmethod
    def load_or_create(cls, path: Path) -> tuple["DevelopmentKey", bool]:
        """The key kept at path, and whether it was made now.

        Raises OSError, or ValueError where the file holds no RSA key that the gateway would accept.
        """
        if path.exists():
            return cls(_read(path)), False
        made = cls.create()
        pem = made.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
        return made, True

    def jwks(self) -> dict[str, Any]:
        """The public half as a JSON Web Key Set."""
        numbers = self.key.public_key().public_numbers()
        key = {
            "kty": "RSA",
            "use": "sig",
            "alg": "RS256",
            "kid": self._kid(),
            "n": _number(numbers.n),
            "e": _number(numbers.e),
        }
        return {"keys": [key]}

    def token(self, claims: dict[str, Any], now: int, seconds: int) -> str:
        """A signed token of issuer and audience above; claims win over what is filled in."""
        header = {"alg": "RS256", "typ": "at+jwt", "kid": self._kid()}
        filled = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "iat": now,
            "exp": now + seconds,
            "jti": secrets.token_hex(8),
        }
        parts = [_base64url(json.dumps(part).encode()) for part in (header, {**filled, **claims})]
        signature = self.key.sign(".".join(parts).encode(), padding.PKCS1v15(), hashes.SHA256())
        return ".".join((*parts, _base64url(signature)))

    def _kid(self) -> str:
        modulus = self.key.public_key().public_numbers().n
        digest = hashes.Hash(hashes.SHA256())
        digest.update(modulus.to_bytes((modulus.bit_length() + 7) // 8, "big"))
        return _base64url(digest.finalize()[:9])


def provider(key: DevelopmentKey) -> dict[str, Any]:
    """An element of auth.providers that accepts the key's tokens."""
    return {"issuer": ISSUER, "audiences": [AUDIENCE], "jwks": {"inline": json.dumps(key.jwks())}}
