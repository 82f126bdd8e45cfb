"""The benchmark itself, on a few sessions: real processes, real sockets."""

import dataclasses

from wsgate_bench.measure import Plan, measure_all
from wsgate_bench.scenarios import SCENARIOS, Scenario

PEERS = ("wsgate", "envoy")
"""Those that look at the token; what needs Debian's packages is measured by `make bench` only."""

KINDS = ("idle", "handshake-cached", "64B-w16", "latency-handshakes")
"""One scenario of each kind."""


def small(scenario: Scenario) -> Scenario:
    if scenario.kind == "latency":
        return dataclasses.replace(scenario, count=4, seconds=0.8, handshakes_a_second=20)
    return dataclasses.replace(scenario, count=4, warm=2, seconds=0.1)


def test_every_kind_of_measure_succeeds_and_has_a_cost() -> None:
    scenarios = tuple(small(each) for each in SCENARIOS if each.name in KINDS)
    samples = list(measure_all(Plan(scenarios, PEERS, 1), lambda _words: None))
    assert [sample.failure for sample in samples if sample.failure] == []
    assert all(sample.cost > 0 and sample.rate > 0 for sample in samples if sample.scenario != "idle")
    assert all(sample.p99 >= sample.cost for sample in samples if sample.scenario == "latency-handshakes")


def test_all_sessions_of_a_cached_handshake_show_one_token() -> None:
    counts = {scenario.name: scenario.tokens for scenario in SCENARIOS}
    assert counts["handshake-cached"] == 1
    assert counts["handshake"] == 1600
