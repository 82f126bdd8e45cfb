"""The query of a listing: filters that are known, and a bounded number of items."""

from collections.abc import Iterable
from dataclasses import dataclass

from multidict import MultiMapping

from wsgate_dataplane.admin.answers import AdminProblem, Fault

ITEMS_MAX = 1000
"""Items of one answer: making them stops the relaying of every session for that long."""


@dataclass(frozen=True)
class Query:
    """The filters that were given, and how many items are wanted."""

    filters: dict[str, str]
    limit: int = ITEMS_MAX

    def admits(self, name: str, value: str | None) -> bool:
        """Whether an item with that value passes the filter of that name."""
        return name not in self.filters or self.filters[name] == value


def read_query(given: MultiMapping[str], known: Iterable[str]) -> Query:
    """Raises AdminProblem: a misspelt filter that is ignored would show, or close, what was not meant."""
    names = (*known, "limit")
    filters: dict[str, str] = {}
    for name, value in given.items():
        if name not in names:
            raise _problem(f"{name[:40]!r}: no such parameter, there are {', '.join(names)}.")
        if name in filters:
            raise _problem(f"{name}: given twice; give it once.")
        if not value:
            raise _problem(f"{name}: empty; leave it out, or give a value.")
        filters[name] = value
    limit = filters.pop("limit", str(ITEMS_MAX))
    if not limit.isascii() or not limit.isdecimal() or len(limit) > len(str(ITEMS_MAX)):
        raise _problem(f"limit: give a number from 1 to {ITEMS_MAX}.")
    if not 1 <= int(limit) <= ITEMS_MAX:
        raise _problem(f"limit: give a number from 1 to {ITEMS_MAX}.")
    return Query(filters, int(limit))


def _problem(detail: str) -> AdminProblem:
    return AdminProblem(Fault.QUERY_INVALID, detail)
