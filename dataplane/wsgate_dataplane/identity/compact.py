"""A compact JWS taken apart, before any cryptography: one spelling per token, nothing believed yet."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wsgate_dataplane.identity.strict_json import StrictJSONError, parse_object
from wsgate_dataplane.outcomes.refusal import Refused
from wsgate_dataplane.outcomes.table import Reason

TOKEN_BYTES_MAX = 16 * 1024


@dataclass(frozen=True)
class UnverifiedToken:
    """Well-formed and no more; its text stays out of repr, since tokens never reach a log."""

    header: Mapping[str, Any] = field(repr=False)
    payload: Mapping[str, Any] = field(repr=False)
    signing_input: bytes = field(repr=False)
    """`header.payload` (RFC 7515 5.1)."""
    signature: bytes = field(repr=False)
    sha256: str
    """Hex digest of the signing input: one token has several valid signatures, but one of these."""
    raw: str = field(repr=False)


def parse_compact(raw: str) -> UnverifiedToken:
    """Raises Refused(TOKEN_MALFORMED) and nothing else."""
    if len(raw) > TOKEN_BYTES_MAX:
        raise _malformed(f"expected at most {TOKEN_BYTES_MAX} bytes, found {len(raw)}")
    if not raw.isascii():
        raise _malformed("expected ASCII only")
    parts = raw.split(".")
    if len(parts) != 3:
        raise _malformed(f"expected 3 parts, found {len(parts)}")
    header, payload, signature = map(_decode, parts, ("header", "payload", "signature"))
    signing_input = raw[: raw.rindex(".")].encode("ascii")
    return UnverifiedToken(
        header=_object(header, "header"),
        payload=_object(payload, "payload"),
        signing_input=signing_input,
        signature=signature,
        sha256=hashlib.sha256(signing_input).hexdigest(),
        raw=raw,
    )


def base64url_bytes(text: str) -> bytes:
    """Decode leniently, padding optional; raises ValueError."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _decode(text: str, name: str) -> bytes:
    """Only the canonical spelling: others decode to the same bytes but hash differently."""
    try:
        data = base64url_bytes(text)
    except ValueError:
        raise _malformed(f"{name}: not base64url") from None
    if base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii") != text:
        raise _malformed(f"{name}: not canonical base64url without padding (RFC 7515 2)")
    return data


def _object(data: bytes, name: str) -> dict[str, Any]:
    try:
        return parse_object(data)
    except StrictJSONError as error:
        raise _malformed(f"{name}: {error}") from None


def _malformed(detail: str) -> Refused:
    return Refused(Reason.TOKEN_MALFORMED, detail)
