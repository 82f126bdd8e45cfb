"""The report: Markdown tables of medians and of ratios against the targets."""

import os
import platform
import statistics
import subprocess
from collections.abc import Iterable
from importlib.metadata import version

from .measure import Plan, Sample
from .peers import nginx_binary
from .scenarios import TARGETS, Scenario

SUBJECT = "wsgate"
RIVALS = ("nginx", "aiohttp-proxy", "nginx-64k")


class Results:
    """Samples by scenario and peer; failed ones apart."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self.samples = list(samples)
        self.failures = [sample for sample in self.samples if sample.failure]
        self._good = {(s.scenario, s.peer, s.repeat): s for s in self.samples if not s.failure}

    def of(self, scenario: str, peer: str) -> list[Sample]:
        """The good samples, by repeat."""
        return [s for s in self._good.values() if (s.scenario, s.peer) == (scenario, peer)]

    def ratios(self, scenario: str, rival: str) -> list[float]:
        """wsgate's cost by the rival's, repeat by repeat: what slowed a repeat slowed both."""
        pairs = [(s, self._good.get((scenario, rival, s.repeat))) for s in self.of(scenario, SUBJECT)]
        return [ours.cost / theirs.cost for ours, theirs in pairs if theirs and theirs.cost]


def markdown(results: Results, plan: Plan) -> str:
    """The whole report."""
    parts = [_machine(plan), _costs(results, plan), _rates(results, plan)]
    if SUBJECT in plan.peers:
        parts.append(_ratios(results, plan))
    if results.failures:
        parts.append(_failures(results))
    return "\n\n".join(parts) + "\n"


def _title(scenario: Scenario) -> str:
    return f"{scenario.title.format(count=scenario.count)} ({scenario.unit})"


def _table(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _summary(values: list[float], digits: int) -> str:
    if not values:
        return "not measured"
    if max(values) < 10:
        digits = max(digits, 2)
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def _machine(plan: Plan) -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in ("aiohttp", "uvloop"))
    nginx = ""
    if any(peer.startswith("nginx") for peer in plan.peers):
        nginx = subprocess.run([nginx_binary(), "-v"], capture_output=True, text=True, check=True).stderr.strip()
    facts = [
        f"{os.cpu_count()} CPUs, Linux {platform.release()}, Python {platform.python_version()}, {packages}",
        *filter(None, [nginx]),
        f"load average at the end {os.getloadavg()[0]:.1f}, {plan.repeats} repeats",
    ]
    return "\n".join(["# wsgate benchmark", "", *(f"* {fact}" for fact in facts)])


def _costs(results: Results, plan: Plan) -> str:
    rows = [
        [
            _title(scenario),
            *(_summary([s.cost for s in results.of(scenario.name, peer)], 1) for peer in plan.peers),
        ]
        for scenario in plan.scenarios
    ]
    words = "Cost of one message round trip, one handshake, one idle session; for `direct` that of the upstream."
    return f"## Cost: median (least to most)\n\n{words}\n\n{_table(['', *plan.peers], rows)}"


def _rates(results: Results, plan: Plan) -> str:
    rows = [
        [
            scenario.title.format(count=scenario.count),
            *(_summary([s.rate for s in results.of(scenario.name, peer)], 0) for peer in plan.peers),
        ]
        for scenario in plan.scenarios
        if scenario.kind != "idle"
    ]
    words = "Not a target: client and upstream share the machine, and `direct` is the most that they can do."
    return f"## Operations a second\n\n{words}\n\n{_table(['', *plan.peers], rows)}" if rows else ""


def _ratios(results: Results, plan: Plan) -> str:
    rivals = [rival for rival in RIVALS if rival in plan.peers]
    limits = {(target.scenario, target.against): target.limit for target in TARGETS}
    rows = []
    for scenario in plan.scenarios:
        cells = [scenario.title.format(count=scenario.count)]
        for rival in rivals:
            ratios = results.ratios(scenario.name, rival)
            cells.append(_summary(ratios, 2) + _verdict(ratios, limits.get((scenario.name, rival))))
        rows.append(cells)
    head = ["", *(f"{SUBJECT} / {rival}" for rival in rivals)]
    words = "Median (least to most) of the ratios of each repeat; lower is better for wsgate."
    return f"## Ratios and targets\n\n{words}\n\n{_table(head, rows)}"


def _verdict(ratios: list[float], limit: float | None) -> str:
    if limit is None:
        return ""
    if not ratios:
        return f", target ≤ {limit}"
    return f", target ≤ {limit}: **{'met' if statistics.median(ratios) <= limit else 'missed'}**"


def _failures(results: Results) -> str:
    lines = [f"```\n{s.scenario}, {s.peer}, repeat {s.repeat + 1}: {s.failure}\n```" for s in results.failures]
    return "\n".join(["## Failed measurements", "", *lines])
