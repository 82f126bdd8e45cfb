"""What a PromQL expression names: as much of the language as the shipped expressions use."""

import re
from dataclasses import dataclass

FUNCTIONS = frozenset({"absent", "count", "histogram_quantile", "increase", "max", "min", "rate", "sum", "time"})
KEYWORDS = frozenset({"and", "bool", "by", "group_left", "offset", "on"})

STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
SELECTOR = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\s*\{([^}]*)\}")
MATCHER = re.compile(r'\s*([a-zA-Z_]\w*)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"\s*')
GROUPING = re.compile(r"\b(?:by|on|group_left)\s*\(([^)]*)\)")
RANGE = re.compile(r"\[[^\]]*\]")
DURATION = re.compile(r"\b\d+[smhd]\b")
IDENTIFIER = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


@dataclass(frozen=True)
class Named:
    """What an expression names."""

    metrics: frozenset[str]
    matchers: frozenset[tuple[str, str, str, str]]
    """Metric, label, operator, value."""
    grouping: frozenset[str]
    """Labels of by, on and group_left."""


def named(expression: str) -> Named:
    """Raises ValueError for a selector that cannot be read."""
    matchers = set()
    for metric, inner in SELECTOR.findall(expression):
        for part in _parts(inner):
            found = MATCHER.fullmatch(part)
            if found is None:
                raise ValueError(f"{metric}: {part!r} is no matcher")
            matchers.add((metric, *found.groups()))
    bare = SELECTOR.sub(r"\1 ", expression)
    grouping = {label.strip() for inner in GROUPING.findall(bare) for label in inner.split(",")} - {""}
    bare = DURATION.sub(" ", RANGE.sub(" ", GROUPING.sub(" ", bare)))
    return Named(
        frozenset(IDENTIFIER.findall(STRING.sub(" ", bare))) - FUNCTIONS - KEYWORDS,
        frozenset(matchers),
        frozenset(grouping),
    )


def _parts(inner: str) -> list[str]:
    """The matchers of a selector: a comma within quotes divides nothing."""
    return [part for part in re.findall(r'(?:"(?:[^"\\]|\\.)*"|[^,"])+', inner) if part.strip()]
