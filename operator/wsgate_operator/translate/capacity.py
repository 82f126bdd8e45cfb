"""What fits into one ConfigMap, in fair shares: what does not is left out where most is taken."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from wsgate_contract.revocation import RevocationRecord
from wsgate_contract.revocation_log import EVENT_PREFIX
from wsgate_contract.route import Route
from wsgate_operator.translate.placement import KEPT
from wsgate_operator.translate.shares import count_that_fits, in_turn
from wsgate_operator.translate.translate import Translation
from wsgate_operator.translate.verdict import Verdict, VerdictReason

STORED_BYTES_MAX = 900 * 1024
"""The API server refuses a ConfigMap of more than 1 MiB, its metadata included."""

LEFT_OUT = (
    "all routes together would take more than {limit} KiB as they are stored, and the newest of the namespaces "
    "that take most are left out: delete routes that nobody uses, shorten them (keys in jwks.inline are long), "
    "or serve some by another gateway (spec.gatewayName)"
)


@dataclass(frozen=True)
class FittingRecords:
    """The records that fit, in the order given, and how many do not."""

    records: tuple[RevocationRecord, ...]
    left_out: int


def fit_routes(
    translation: Translation,
    stored_bytes: Callable[[Sequence[Route]], int],
    text_bytes: Callable[[Route], int],
    root_namespace: str,
    bytes_max: int = STORED_BYTES_MAX,
) -> Translation:
    """The translation without as many routes as needed for stored_bytes to stay within bytes_max.

    The root namespace's come first. The others have equal shares, by the text_bytes of each route: no
    namespace loses one for as long as another keeps more.
    """
    ordered = in_turn(
        translation.routes,
        text_bytes,
        lambda route: None if route.namespace == root_namespace else route.namespace,
    )
    count = count_that_fits(ordered, stored_bytes, bytes_max)
    return leave_out(translation, frozenset(route.key for route in ordered[count:]), bytes_max)


def leave_out(translation: Translation, keys: Collection[str], bytes_max: int = STORED_BYTES_MAX) -> Translation:
    """The translation without the routes of these keys, whose places are kept, and with verdicts that say why."""
    if not keys:
        return translation
    routes = tuple(route for route in translation.routes if route.key not in keys)
    verdicts = tuple(
        _left_out(verdict, bytes_max) if verdict.kind == "WsRoute" and verdict.key in keys else verdict
        for verdict in translation.verdicts
    )
    return replace(translation, routes=routes, verdicts=verdicts)


def fit_records(
    records: Sequence[RevocationRecord],
    stored_bytes: Callable[[Sequence[RevocationRecord]], int],
    text_bytes: Callable[[RevocationRecord], int],
    bytes_max: int = STORED_BYTES_MAX,
) -> FittingRecords:
    """The records for the second channel, given oldest first.

    Objects come before events, a flood of which must not push out what people wrote; of both, those for
    the whole gateway come first, so that no tenant pushes them out. Then namespaces have equal shares of the
    objects, as in fit_routes(), and of the events come the oldest.
    """
    objects = [record for record in records if not record.id.startswith(EVENT_PREFIX)]
    events = [record for record in records if record.id.startswith(EVENT_PREFIX)]
    ordered = in_turn(objects, text_bytes, lambda record: record.namespace)
    # Sorting keeps the order of equals.
    ordered += sorted(events, key=lambda record: record.namespace is not None)
    count = count_that_fits(ordered, stored_bytes, bytes_max)
    kept = {record.id for record in ordered[:count]}
    return FittingRecords(tuple(record for record in records if record.id in kept), len(ordered) - count)


def lower_limits(bytes_max: int) -> Iterator[int]:
    """The limit, and about ten lower ones, the last of them zero: a measure may be a little too small."""
    step = 1024
    while bytes_max > 0:
        yield bytes_max
        bytes_max, step = bytes_max - step, 2 * step
    yield 0


def _left_out(verdict: Verdict, bytes_max: int) -> Verdict:
    message = LEFT_OUT.format(limit=bytes_max // 1024)
    if verdict.accepted:
        return replace(verdict, reason=VerdictReason.CAPACITY_EXCEEDED, message=message, warnings=())
    # Its own fault stays the reason; only its kept version is gone.
    return replace(verdict, message=f"{verdict.message.removesuffix(KEPT)}; {message}")
