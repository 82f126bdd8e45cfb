"""What happens with every session, noted in plain numbers and told to the metrics before they are read.

An increment of the library's counter takes four calls and a lock, and a session has a dozen of them: together
they would cost more than reading its request.
"""

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, Metric

VALUES_MAX = 1000
"""Observations that wait to be told."""


class Tally:
    """Of a counter (or one of its children); add to count."""

    __slots__ = ("_counter", "count")

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self.count = 0

    def settle(self) -> None:
        """Tell what was noted."""
        if self.count:
            self._counter.inc(self.count)
            self.count = 0


class Observations:
    """Of a histogram."""

    __slots__ = ("_histogram", "_values")

    def __init__(self, histogram: Histogram) -> None:
        self._histogram = histogram
        self._values: list[float] = []

    def note(self, value: float) -> None:
        """One more."""
        self._values.append(value)
        if len(self._values) >= VALUES_MAX:
            self.settle()

    def settle(self) -> None:
        """Tell what was noted."""
        for value in self._values:
            self._histogram.observe(value)
        self._values.clear()


class TallyingRegistry(CollectorRegistry):
    """Whoever reads its metrics sees all that was noted. Not for several threads."""

    def __init__(self) -> None:
        super().__init__()
        self._before_reads: list[Callable[[], None]] = []

    def before_reads(self, tell: Callable[[], None]) -> None:
        """Have tell() called before each read, in the reverse order of these calls: what notes comes first."""
        self._before_reads.insert(0, tell)

    def tally(self, counter: Counter) -> Tally:
        """For one of its counters."""
        tally = Tally(counter)
        self.before_reads(tally.settle)
        return tally

    def observations(self, histogram: Histogram) -> Observations:
        """For one of its histograms."""
        observations = Observations(histogram)
        self.before_reads(observations.settle)
        return observations

    def collect(self) -> Iterator[Metric]:
        """See CollectorRegistry.collect."""
        for tell in self._before_reads:
            tell()
        yield from super().collect()
