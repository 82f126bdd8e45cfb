"""How much of a person's identity a log line may show."""

import hashlib
from typing import Literal

Mode = Literal["plain", "hash", "none"]
HASH_DIGITS = 16


def visible(value: str | None, mode: Mode) -> str | None:
    """What WSGATE_LOG_IDENTITY lets through of a sub, sid or jti; None where nothing is to be written.

    hash: the first 16 hex digits of SHA-256, enough to follow one subject through the log.
    """
    if value is None or mode == "none":
        return None
    if mode == "plain":
        return value
    # A token's text may hold lone surrogates, which strict UTF-8 refuses.
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:HASH_DIGITS]
