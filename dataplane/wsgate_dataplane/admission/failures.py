"""How often one source may fail before nothing from it is looked at for a while. Pure."""

import ipaddress

WINDOW_SECONDS = 60
SOURCES_MAX = 10_000
"""Sources remembered; beyond them the oldest is forgotten."""
IPV6_PREFIX = 64
"""One host may choose any address within it."""


class FailureLimit:
    """Counts the failures of each source in windows that begin with its first one.

    Not one count for all: a stranger who guesses must not keep others out. Times are seconds of a monotonic clock.
    """

    def __init__(self, failures_max: int, sources_max: int = SOURCES_MAX) -> None:
        self._failures_max = failures_max
        self._sources_max = sources_max
        self._windows: dict[str, tuple[float, int]] = {}
        """Begin and failures, by source, oldest window first."""

    def blocked_seconds(self, address: str, now: float) -> float:
        """How long nothing from there is looked at; 0: it is."""
        if not self._windows:
            return 0.0
        begin, failures = self._windows.get(source_of(address), (now, 0))
        left = begin + WINDOW_SECONDS - now
        return max(left, 0.0) if failures >= self._failures_max else 0.0

    def failed(self, address: str, now: float) -> None:
        """Count one."""
        source = source_of(address)
        begin, failures = self._windows.get(source, (now, 0))
        if now >= begin + WINDOW_SECONDS:
            begin, failures = now, 0
        if failures == 0:
            self._windows.pop(source, None)
            while len(self._windows) >= self._sources_max:
                del self._windows[next(iter(self._windows))]
        self._windows[source] = (begin, failures + 1)


def source_of(address: str) -> str:
    """The address, or the IPv6 network of one host; whatever it is, it is a source."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 6 and parsed.ipv4_mapped is None:
        return str(ipaddress.IPv6Network((int(parsed), IPV6_PREFIX), strict=False))
    return address
