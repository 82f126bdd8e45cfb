"""What fits into one ConfigMap; the newest of what does not is left out."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from wsgate_contract.revocation import RevocationRecord
from wsgate_contract.revocation_log import EVENT_PREFIX
from wsgate_contract.route import Route
from wsgate_operator.translate.placement import KEPT
from wsgate_operator.translate.translate import Translation
from wsgate_operator.translate.verdict import Verdict, VerdictReason

STORED_BYTES_MAX = 900 * 1024
"""The API server refuses a ConfigMap of more than 1 MiB, its metadata included."""

Item = TypeVar("Item")

LEFT_OUT = (
    "all routes together would take more than {limit} KiB as they are stored, and the newest are left out: "
    "delete routes that nobody uses, or serve some by another gateway (spec.gatewayName)"
)


@dataclass(frozen=True)
class FittingRecords:
    """The records that fit, and how many do not."""

    records: tuple[RevocationRecord, ...]
    left_out: int


def fit_routes(
    translation: Translation,
    stored_bytes: Callable[[Sequence[Route]], int],
    bytes_max: int = STORED_BYTES_MAX,
) -> Translation:
    """The translation without its newest routes, as far as needed for stored_bytes to stay within bytes_max."""
    count = _count_that_fits(translation.routes, stored_bytes, bytes_max)
    if count == len(translation.routes):
        return translation
    left_out = {route.key for route in translation.routes[count:]}
    verdicts = tuple(
        _left_out(verdict, bytes_max) if verdict.kind == "WsRoute" and verdict.key in left_out else verdict
        for verdict in translation.verdicts
    )
    return replace(translation, routes=translation.routes[:count], verdicts=verdicts)


def fit_records(
    records: Sequence[RevocationRecord],
    stored_bytes: Callable[[Sequence[RevocationRecord]], int],
    bytes_max: int = STORED_BYTES_MAX,
) -> FittingRecords:
    """The records for the second channel, given oldest first.

    Objects come before events, a flood of which must not push out what people wrote; of both, those for
    the whole gateway come first, so that no tenant pushes them out, then the oldest.
    """
    # Sorting keeps the order of equals.
    ordered = sorted(
        records, key=lambda record: (record.id.startswith(EVENT_PREFIX), record.namespace is not None)
    )
    count = _count_that_fits(ordered, stored_bytes, bytes_max)
    return FittingRecords(tuple(ordered[:count]), len(ordered) - count)


def lower_limits(bytes_max: int) -> Iterator[int]:
    """The limit, and about ten lower ones, the last of them zero: a measure may be a little too small."""
    step = 1024
    while bytes_max > 0:
        yield bytes_max
        bytes_max, step = bytes_max - step, 2 * step
    yield 0


def _count_that_fits(items: Sequence[Item], stored_bytes: Callable[[Sequence[Item]], int], bytes_max: int) -> int:
    """How many of the first items fit; they are measured once where all do, else about log2(n) times more."""
    if stored_bytes(items) <= bytes_max:
        return len(items)
    counts = range(len(items))
    return max(bisect_right(counts, bytes_max, key=lambda count: stored_bytes(items[:count])) - 1, 0)


def _left_out(verdict: Verdict, bytes_max: int) -> Verdict:
    message = LEFT_OUT.format(limit=bytes_max // 1024)
    if verdict.accepted:
        return replace(verdict, reason=VerdictReason.CAPACITY_EXCEEDED, message=message, warnings=())
    # Its own fault stays the reason; only its kept version is gone.
    return replace(verdict, message=f"{verdict.message.removesuffix(KEPT)}; {message}")
