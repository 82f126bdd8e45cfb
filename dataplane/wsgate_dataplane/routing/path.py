"""Which request paths are safe to route on and to forward as they are."""

import re

_PERCENT = re.compile(r"%(?:(?P<octet>[0-9A-Fa-f]{2})|(?P<rest>.{0,2}))", re.DOTALL)
_UNSAFE_OCTETS = {"2e": "dot", "2f": "slash", "5c": "backslash", "00": "NUL"}
_PLAIN = re.compile(r"/(?:[A-Za-z0-9_~-][A-Za-z0-9._~-]*(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*/?)?")
"""Most paths, told by one match: no segment is empty or begins with a dot."""
_UNPRINTABLE = re.compile(r"[^\x21-\x7e]")


def path_problem(raw_path: str) -> str | None:
    """Why the path (without a query, bytes as sent) is refused, or None.

    The gateway matches prefixes on the very bytes that it forwards, so everything that an upstream
    could read as another path is refused instead of being normalised.
    """
    if _PLAIN.fullmatch(raw_path):
        return None
    if not raw_path.startswith("/"):
        return "expected a path that begins with /"
    if found := _UNPRINTABLE.search(raw_path):
        return f"character {found[0]!r} in the path"
    for character in "\\?#":
        if character in raw_path:
            return f"character {character!r} in the path"
    if "//" in raw_path:
        return "// in the path"
    if "%" in raw_path and (problem := _escape_problem(raw_path)):
        return problem
    # Servlet containers drop ;parameters before they resolve dot segments, so /..;/ is one too.
    if any(segment.partition(";")[0] in (".", "..") for segment in raw_path.split("/")):
        return "a dot segment in the path"
    return None


def _escape_problem(path: str) -> str | None:
    for escape in _PERCENT.finditer(path):
        if escape["octet"] is None:
            return f"malformed percent escape {escape[0]!r} in the path"
        if name := _UNSAFE_OCTETS.get(escape["octet"].lower()):
            return f"an encoded {name} in the path"
    return None
