"""What a shared store keeps of a proof: when it ends, and a seal that only holders of the key can make."""

import hmac

CONTEXT = b"wsgate token proof 1\0"
"""Keeps the seal apart from any other use of the same key."""
EXPIRY_BYTES = 8
VALUE_BYTES = EXPIRY_BYTES + 32


class Seal:
    """HMAC-SHA256 (RFC 2104) over proof and expiry, so that no value can be moved to another proof."""

    def __init__(self, key: str) -> None:
        self._key = key.encode()

    def close(self, proof: bytes, expires_at: int) -> bytes:
        """The value to store; expires_at in Unix seconds."""
        expiry = expires_at.to_bytes(EXPIRY_BYTES, "big")
        return expiry + self._code(proof, expiry)

    def open(self, proof: bytes, value: bytes) -> int | None:
        """The expiry in Unix seconds; None for what no holder of the key has written."""
        expiry, code = value[:EXPIRY_BYTES], value[EXPIRY_BYTES:]
        if len(value) != VALUE_BYTES or not hmac.compare_digest(code, self._code(proof, expiry)):
            return None
        return int.from_bytes(expiry, "big")

    def _code(self, proof: bytes, expiry: bytes) -> bytes:
        # Both are of fixed length, so that no two pairs give the same text.
        return hmac.digest(self._key, CONTEXT + proof + expiry, "sha256")
