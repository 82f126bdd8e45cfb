"""The bench issuer: one RSA key, its JWKS and fresh RS256 tokens, signed before anything is measured."""

import base64
import json
import time
import uuid
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

ISSUER = "https://bench.test"
AUDIENCE = "wsgate"
KEY_ID = "bench"
LIFETIME_SECONDS = 6 * 3600


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _number(value: int) -> str:
    return _base64url(value.to_bytes((value.bit_length() + 7) // 8, "big"))


@dataclass(frozen=True)
class Issuer:
    """Signs tokens; a gateway knows it by its JWKS."""

    key: rsa.RSAPrivateKey

    @classmethod
    def generate(cls) -> "Issuer":
        return cls(rsa.generate_private_key(public_exponent=65537, key_size=2048))

    def jwks(self) -> str:
        """The public key as a JSON Web Key Set (RFC 7517)."""
        public = self.key.public_key().public_numbers()
        key = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": KEY_ID}
        return json.dumps({"keys": [key | {"n": _number(public.n), "e": _number(public.e)}]})

    def tokens(self, count: int) -> list[str]:
        """So many tokens, each with its own sub and jti."""
        now = int(time.time())
        return [self._token(f"user-{index}", now) for index in range(count)]

    def _token(self, subject: str, now: int) -> str:
        claims = {"sub": subject, "jti": str(uuid.uuid4()), "iss": ISSUER, "aud": AUDIENCE}
        times = {"iat": now, "exp": now + LIFETIME_SECONDS}
        head = {"alg": "RS256", "typ": "JWT", "kid": KEY_ID}
        parts = [_base64url(json.dumps(part).encode()) for part in (head, claims | times)]
        signed = ".".join(parts)
        return f"{signed}.{_base64url(self.key.sign(signed.encode(), padding.PKCS1v15(), SHA256()))}"
