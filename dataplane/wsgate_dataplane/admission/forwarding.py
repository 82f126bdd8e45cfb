"""What the upstream is told of a verified token: its roles, and claims as header values. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from wsgate_contract.route import Forward
from wsgate_dataplane.admission.claims import claim_path, claim_values, texts_of
from wsgate_dataplane.values import value

ANY_SEGMENT = "*"
"""Stands in a path of roles for every member, as in resource_access.*.roles."""

_ROLE = re.compile(r"[A-Za-z0-9._:/@-]{1,128}")
"""Anything else is left out: a role `x,admin` must not become two."""
_KEPT = " !\"#$&'()*+-./:;<=>?@[\\]^_`{|}~"
"""Beside letters and digits; not the comma, which separates, and not the percent sign, which escapes."""


@value
class Roles:
    """The roles of a token, each once, and how many were left out for their spelling."""

    names: tuple[str, ...]
    left_out: int


def roles_of(payload: Mapping[str, Any], paths: Iterable[str]) -> Roles:
    """The text values at all of the paths, in order."""
    names: dict[str, None] = {}
    left_out = 0
    for path in paths:
        segments = claim_path(path)
        if segments[0] not in payload and segments[0] != ANY_SEGMENT:
            continue
        for text in _values_at(payload, segments):
            if _ROLE.fullmatch(text):
                names[text] = None
            else:
                left_out += 1
    return Roles(tuple(names), left_out)


def _values_at(value: object, path: Sequence[str]) -> Iterator[str]:
    if not path:
        yield from texts_of(value)
    elif isinstance(value, dict):
        first, *rest = path
        members = value.values() if first == ANY_SEGMENT else (value[first],) if first in value else ()
        for member in members:
            yield from _values_at(member, rest)


def identity_headers(
    forward: Forward, payload: Mapping[str, Any], roles: Sequence[str]
) -> tuple[tuple[str, str], ...]:
    """Names and values; a claim that is missing gives no header.

    Several values are separated by commas; a comma, a percent sign and what is not printable ASCII are
    percent-encoded (UTF-8).
    """
    headers = [(forward.roles.header, ",".join(roles))] if roles else []
    for each in forward.claim_to_headers:
        if texts := claim_values(payload, each.claim):
            headers.append((each.header, ",".join(quote(text, safe=_KEPT) for text in texts)))
    return tuple(headers)
