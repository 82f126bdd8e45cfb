"""A compact JWS taken apart, before any cryptography: one spelling per token, nothing believed yet."""

import binascii
import hashlib
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from wsgate_dataplane.identity.strict_json import StrictJSONError, parse_object
from wsgate_dataplane.outcomes.refusal import Refused
from wsgate_dataplane.outcomes.table import Reason
from wsgate_dataplane.values import value

TOKEN_BYTES_MAX = 16 * 1024

_LAST = (None, "", "AQgw", "AEIMQUYcgkosw048")
"""By what a length leaves over: how such a text may end, the bits that its last character has too many all 0."""
_PADDING = (b"", b"", b"==", b"=")
_FROM_URL = bytes.maketrans(b"-_", b"+/")
_ONLY_FROM_URL = bytes.maketrans(b"-_+/=", b"+/!!!")
"""What belongs to base64 but not to base64url becomes what belongs to neither."""


@value
class UnverifiedToken:
    """Well-formed and no more; its text stays out of repr, since tokens never reach a log."""

    header: Mapping[str, Any]
    payload: Mapping[str, Any]
    signing_input: bytes
    """`header.payload` (RFC 7515 5.1)."""
    signature: bytes
    sha256: str
    """Hex digest of the signing input: one token has several valid signatures, but one of these."""
    raw: str

    def __repr__(self) -> str:
        return f"UnverifiedToken(sha256={self.sha256!r})"


def parse_compact(raw: str) -> UnverifiedToken:
    """Raises Refused(TOKEN_MALFORMED) and nothing else."""
    if len(raw) > TOKEN_BYTES_MAX:
        raise _malformed(f"expected at most {TOKEN_BYTES_MAX} bytes, found {len(raw)}")
    if not raw.isascii():
        raise _malformed("expected ASCII only")
    parts = raw.split(".")
    if len(parts) != 3:
        raise _malformed(f"expected 3 parts, found {len(parts)}")
    header, payload, signature = parts
    signing_input = raw[: raw.rindex(".")].encode("ascii")
    return UnverifiedToken(
        _header(header),
        _object(_decode(payload, "payload"), "payload"),
        signing_input,
        _decode(signature, "signature"),
        hashlib.sha256(signing_input).hexdigest(),
        raw,
    )


def base64url_bytes(text: str) -> bytes:
    """Decode leniently, padding optional; raises ValueError."""
    # By binascii, since base64 makes six calls of its own around this one.
    return binascii.a2b_base64(text.encode("ascii").translate(_FROM_URL) + b"==")


@lru_cache(maxsize=64)
def _header(text: str) -> Mapping[str, Any]:
    """All tokens of a key have the same header; a refusal is not remembered."""
    return MappingProxyType(_object(_decode(text, "header"), "header"))


def _decode(text: str, name: str) -> bytes:
    """Only the canonical spelling: others decode to the same bytes but hash differently."""
    over = len(text) % 4
    last = _LAST[over]
    if last is None or text[-1] in last:
        try:
            padded = text.encode().translate(_ONLY_FROM_URL) + _PADDING[over]
            return binascii.a2b_base64(padded, strict_mode=True)
        except binascii.Error:
            pass
    raise _malformed(f"{name}: not canonical base64url without padding (RFC 7515 2)")


def _object(data: bytes, name: str) -> dict[str, Any]:
    try:
        return parse_object(data)
    except StrictJSONError as error:
        raise _malformed(f"{name}: {error}") from None


def _malformed(detail: str) -> Refused:
    return Refused(Reason.TOKEN_MALFORMED, detail)
