"""What is measured, in which unit, and the targets that wsgate is held to."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Scenario:
    """One kind of load. cost is CPU microseconds or KiB for each operation."""

    name: str
    title: str
    unit: str
    kind: str
    count: int
    warm: int = 0
    payload_bytes: int = 64
    window: int = 1
    concurrency: int = 16
    seconds: float = 1
    """Load: the window's length. Idle and handshake: how long the peer may settle before it is read."""


SCENARIOS = (
    # Idle sessions come first in each repeat: the process must be fresh, freed memory would hide them.
    Scenario("idle", "idle session, {count} open", "KiB", "idle", 2000, warm=50, concurrency=32),
    Scenario("handshake", "handshake and close, new RS256 token", "µs", "handshake", 1500, warm=100, seconds=0.3),
    Scenario("64B-w1", "64 B echo, window 1, {count} connections", "µs", "load", 64, seconds=3),
    Scenario("64B-w16", "64 B echo, window 16, {count} connections", "µs", "load", 64, window=16, seconds=3),
    Scenario("64KiB-w4", "64 KiB echo, window 4, {count} connections", "µs", "load", 8, 0, 65536, 4, seconds=3),
)


@dataclass(frozen=True)
class Target:
    """wsgate's cost divided by that of a peer is to stay within limit."""

    scenario: str
    against: str
    limit: float


TARGETS = (
    Target("64B-w1", "nginx", 1.6),
    Target("64B-w16", "nginx", 1.6),
    Target("64KiB-w4", "nginx", 0.4),
    Target("idle", "nginx", 0.8),
    Target("handshake", "aiohttp-proxy", 0.8),
)


def shortened(scenario: Scenario) -> Scenario:
    """The same for a look of a minute: noisier, and idle sessions a little dearer."""
    if scenario.kind == "load":
        return replace(scenario, seconds=0.7)
    return replace(scenario, count=scenario.count // 5, seconds=0.3)


def tokens_needed(scenarios: tuple[Scenario, ...]) -> dict[str, int]:
    """Where in one pool each scenario's tokens begin: no token is shown twice to one process."""
    offsets, total = {}, 0
    for scenario in scenarios:
        offsets[scenario.name] = total
        total += scenario.warm + scenario.count
    return offsets | {"": total}
