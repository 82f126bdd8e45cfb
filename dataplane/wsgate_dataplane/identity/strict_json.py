"""JSON from strangers: one object, no duplicate names, bounded depth and numbers."""

import json
import math
import re
from typing import Any

DEPTH_MAX = 16
BRACKETS_MAX = 4096
"""[ and { together, also those in strings."""
INTEGER_DIGITS_MAX = 19
"""Enough for 64 bits; longer ones cost quadratic time and mean nothing in a token."""

_BLANK = " \t\r\n"
"""RFC 8259 2."""

# Strings are matched whole so that brackets inside them do not count; possessive, so linear.
_BRACKET = re.compile(r'[\[{]|[\]}]|"(?:[^"\\]++|\\.)*+"?', re.DOTALL)


class StrictJSONError(ValueError):
    """Not an acceptable JSON object; the text says which rule and quotes nothing of the input."""


def parse_object(data: bytes) -> dict[str, Any]:
    """Raises StrictJSONError and nothing else."""
    try:
        text = data.decode().strip(_BLANK)
    except UnicodeDecodeError:
        raise StrictJSONError("not UTF-8") from None
    # The brackets' number bounds the depth; only a text with many of them is looked at closely.
    brackets = text.count("[") + text.count("{")
    if brackets > BRACKETS_MAX:
        raise StrictJSONError(f"more than {BRACKETS_MAX} arrays and objects")
    if brackets > DEPTH_MAX and _depth(text) > DEPTH_MAX:
        raise StrictJSONError(f"nested deeper than {DEPTH_MAX}")
    try:
        value, end = _DECODER.raw_decode(text)
    except StrictJSONError:
        raise
    except ValueError:
        raise StrictJSONError("not JSON") from None
    if end != len(text):
        raise StrictJSONError("not JSON")
    if not isinstance(value, dict):
        raise StrictJSONError("not a JSON object")
    if "\\u" in text and not _is_encodable(value):
        raise StrictJSONError("a lone surrogate")
    return value


def _depth(text: str) -> int:
    """Closing brackets count down whatever they close: broken JSON is the decoder's to refuse."""
    depth = deepest = 0
    for match in _BRACKET.finditer(text):
        character = match[0]
        if character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest


def _is_encodable(value: dict[str, Any]) -> bool:
    # A lone surrogate would raise in whatever log, header or hash it reaches later.
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        # Which one counts differs between libraries (RFC 7515 4: reject).
        raise StrictJSONError("a duplicate member name")
    return members


def _integer(text: str) -> int:
    if len(text.lstrip("-")) > INTEGER_DIGITS_MAX:
        raise StrictJSONError(f"an integer of more than {INTEGER_DIGITS_MAX} digits")
    return int(text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise StrictJSONError("a number beyond double precision")
    return value


def _no_constant(text: str) -> float:
    raise StrictJSONError(f"{text} is not JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_float=_finite, parse_int=_integer, parse_constant=_no_constant
)
