"""What is measured, in which unit, and the targets that wsgate is held to."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Scenario:
    """One kind of load. cost is CPU microseconds or KiB for each operation, or a latency in microseconds."""

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
    """Load, latency: the window's length. Idle, handshake: how long the peer may settle before it is read."""
    is_same_token: bool = False
    """Every session shows the same token, which was verified before the measured time."""
    handshakes_a_second: int = 0
    """Sessions with tokens never seen before that open and close beside the load."""
    repeats_max: int = 1000
    """Fewer for what takes long and differs little."""

    @property
    def tokens(self) -> int:
        """How many different ones its sessions show."""
        if self.is_same_token:
            return 1
        return self.warm + self.count + self.visits_warm + self.visits

    @property
    def visits(self) -> int:
        """Handshakes beside the load."""
        return round(self.handshakes_a_second * self.seconds)

    @property
    def visits_warm(self) -> int:
        """Those before the measured time."""
        return VISITS_WARM if self.handshakes_a_second else 0

    @property
    def heading(self) -> str:
        """The title with its figures."""
        return self.title.format(count=self.count, handshakes=self.handshakes_a_second)


VISITS_WARM = 50

SCENARIOS = (
    # Idle sessions come first in each repeat: the process must be fresh, freed memory would hide them.
    Scenario("idle", "idle session, {count} open", "KiB", "idle", 5000, warm=50, concurrency=32, repeats_max=2),
    Scenario("handshake", "handshake and close, new RS256 token", "µs", "handshake", 1500, warm=100, seconds=0.3),
    Scenario("handshake-cached", "handshake and close, same RS256 token", "µs", "handshake", 1500, warm=100,
             seconds=0.3, is_same_token=True),
    Scenario("64B-w1", "64 B echo, window 1, {count} connections", "µs", "load", 64, seconds=2),
    Scenario("64B-w16", "64 B echo, window 16, {count} connections", "µs", "load", 64, window=16, seconds=2),
    Scenario("64KiB-w4", "64 KiB echo, window 4, {count} connections", "µs", "load", 8, 0, 65536, 4, seconds=2),
    Scenario("latency", "64 B echo at half of the most, {count} connections", "µs", "latency", 64, seconds=3.5,
             repeats_max=5),
    Scenario("latency-handshakes", "the same beside {handshakes} handshakes a second", "µs", "latency", 64,
             seconds=3.5, handshakes_a_second=300, repeats_max=5),
)  # fmt: skip


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
    Target("handshake", "envoy", 1.3),
    Target("handshake-cached", "aiohttp-proxy", 0.8),
    Target("handshake-cached", "envoy", 1.3),
)


def shortened(scenario: Scenario) -> Scenario:
    """The same for a look of two minutes: noisier, and idle sessions a little dearer."""
    if scenario.kind == "load":
        return replace(scenario, seconds=0.7)
    if scenario.kind == "latency":
        return replace(scenario, seconds=1.5)
    return replace(scenario, count=scenario.count // 5, seconds=0.3)


def tokens_needed(scenarios: tuple[Scenario, ...]) -> dict[str, int]:
    """Where in one pool each scenario's tokens begin: no token is shown twice to one process, but on purpose."""
    offsets, total = {}, 0
    for scenario in scenarios:
        offsets[scenario.name] = total
        total += scenario.tokens
    return offsets | {"": total}
