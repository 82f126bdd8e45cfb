"""A made-up run, as whole as a published one must be."""

from wsgate_bench.machine import Machine
from wsgate_bench.measure import Plan, Sample
from wsgate_bench.peers import DEFAULT_PEERS, DIRECT
from wsgate_bench.record import Record
from wsgate_bench.scenarios import SCENARIOS

MACHINE = Machine(
    "2026-01-31", 2, "Some <CPU> & more", 8, "6.1", "3.11.7", {"wsgate": "wsgate 0.1", "nginx": "nginx/1"}
)
REPEATS = 2


def whole_run() -> Record:
    """Each peer costs more than the one before."""
    plan = Plan(SCENARIOS, DEFAULT_PEERS, REPEATS)
    samples = tuple(
        Sample(scenario.name, peer, repeat, 10 * (number + 1) + repeat, 1000, p99)
        for repeat in range(REPEATS)
        for scenario in plan.due(repeat)
        for number, peer in enumerate(DEFAULT_PEERS)
        if not (scenario.kind == "idle" and peer == DIRECT)
        for p99 in [99 if scenario.kind == "latency" else 0]
    )
    return Record(MACHINE, plan, samples)
