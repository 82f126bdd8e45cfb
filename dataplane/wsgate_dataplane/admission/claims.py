"""A token's claims, parsed once into a type that cannot be wrong."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from wsgate_dataplane.admission.wording import expected
from wsgate_dataplane.outcomes.refusal import Refused
from wsgate_dataplane.outcomes.table import Reason
from wsgate_dataplane.values import value

TIME_MAX = 2**53
"""Largest accepted Unix time: what every JSON implementation represents exactly."""
STRING_LENGTH_MAX = 1024
ISSUER_LENGTH_MAX = 2048
AUDIENCES_MAX = 256
SEGMENTS_MAX = 8
"""Of a claim's path; the contract's pattern says it too."""


@value
class Claims:
    """The registered claims (RFC 7519 4.1) with checked types; times are Unix seconds."""

    payload: Mapping[str, Any]
    expires_at: int
    issuer: str | None = None
    subject: str | None = None
    jti: str | None = None
    session_id: str | None = None
    """The sid claim; Keycloak before 22 calls it session_state, which is not read."""
    issued_at: int | None = None
    not_before: int | None = None
    azp: str | None = None
    audiences: tuple[str, ...] = ()

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> "Claims":
        """Raises Refused(TOKEN_MALFORMED) that names the claim."""
        expires_at = _time(payload, "exp")
        if expires_at is None:
            raise Refused(Reason.TOKEN_MALFORMED, expected("the claim exp", None))
        return cls(
            payload,
            expires_at,
            _string(payload, "iss", ISSUER_LENGTH_MAX),
            _string(payload, "sub"),
            _string(payload, "jti"),
            _string(payload, "sid"),
            _time(payload, "iat"),
            _time(payload, "nbf"),
            _string(payload, "azp"),
            _audiences(payload),
        )


def _time(payload: Mapping[str, Any], name: str) -> int | None:
    if name not in payload:
        return None
    value = payload[name]
    # Not isinstance: True is an int. RFC 7519 allows fractions, but no issuer needs them, and
    # 1e300 or a string would be one more thing on which two libraries disagree.
    if type(value) is not int or not 0 <= value <= TIME_MAX:
        raise Refused(Reason.TOKEN_MALFORMED, expected(f"{name} as a whole number of Unix seconds", value))
    return value


def _string(payload: Mapping[str, Any], name: str, length_max: int = STRING_LENGTH_MAX) -> str | None:
    if name not in payload:
        return None
    value = payload[name]
    if not isinstance(value, str) or len(value) > length_max:
        raise Refused(
            Reason.TOKEN_MALFORMED, expected(f"{name} as a string of at most {length_max} characters", value)
        )
    return value


def _audiences(payload: Mapping[str, Any]) -> tuple[str, ...]:
    if "aud" not in payload:
        return ()
    value = payload["aud"]
    if isinstance(value, str):
        return (value,)
    found = value if isinstance(value, list) else [value]
    if len(found) > AUDIENCES_MAX or not all(isinstance(each, str) for each in found):
        raise Refused(
            Reason.TOKEN_MALFORMED, expected(f"aud as a string or at most {AUDIENCES_MAX} strings", value)
        )
    return tuple(found)


def claim_values(payload: Mapping[str, Any], path: str) -> tuple[str, ...]:
    """The claim at a dotted path as text, an array by element; objects and null are left out.

    Numbers and booleans are written as in JSON, so that "true" matches true. A path that cannot be
    read has no values: a rule on it fails closed.
    """
    value: Any = payload
    for segment in claim_path(path):
        if not isinstance(value, dict) or segment not in value:
            return ()
        value = value[segment]
    return texts_of(value)


def texts_of(value: object) -> tuple[str, ...]:
    """A claim as text, see claim_values."""
    elements = value if isinstance(value, list) else [value]
    return tuple(text for each in elements if (text := _text(each)) is not None)


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    return None


@lru_cache(maxsize=1024)
def claim_path(path: str) -> tuple[str, ...]:
    """`realm_access.roles` or `"https://example.com/roles".x`; an unreadable path is one impossible name."""
    segments: list[str] = []
    rest = path
    while True:
        if rest.startswith('"'):
            segment, quote, rest = rest[1:].partition('"')
            if not quote or (rest and not rest.startswith(".")):
                return (path,)
        else:
            segment, dot, after = rest.partition(".")
            rest = dot + after
            if '"' in segment:
                return (path,)
        if not segment or len(segments) == SEGMENTS_MAX:
            return (path,)
        segments.append(segment)
        if not rest:
            return tuple(segments)
        rest = rest[1:]
