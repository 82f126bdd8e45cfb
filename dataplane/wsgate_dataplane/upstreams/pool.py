"""The upstreams of one route: which of them a handshake dials, and what is known of their health."""

from collections.abc import Container, Iterator, Sequence

from wsgate_dataplane.upstreams.circuit import Circuit
from wsgate_dataplane.upstreams.dial import Target
from wsgate_dataplane.values import value


@value
class Upstream:
    """One of them; weight: its share of the new sessions."""

    target: Target
    weight: int
    circuit: Circuit


class Pool:
    """At least one upstream. Times are seconds of a monotonic clock."""

    def __init__(self, upstreams: Sequence[Upstream]) -> None:
        """Those without a weight get no session; where none has one, the first gets all."""
        self._upstreams = tuple(upstreams)
        self._usable = tuple(each for each in upstreams if each.weight) or self._upstreams[:1]

    def __iter__(self) -> Iterator[Upstream]:
        return iter(self._upstreams)

    def choose(self, random: float, now: float, without: Container[Target] = ()) -> Upstream | None:
        """random in [0, 1) falls on one of the weights; None: none of the others may be dialled."""
        allowed = [each for each in self._usable if each.circuit.allows(now) and each.target not in without]
        mark = random * sum(each.weight for each in allowed)
        for each in allowed[:-1]:
            mark -= each.weight
            if mark < 0:
                return each
        return allowed[-1] if allowed else None

    def seconds_left(self, now: float) -> float:
        """Until one may be dialled again."""
        return min(each.circuit.seconds_left(now) for each in self._usable)
