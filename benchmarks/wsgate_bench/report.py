"""The report: Markdown tables of medians and of ratios against the targets."""

import statistics
from collections.abc import Callable, Iterable, Sequence

from .measure import Sample
from .record import SUBJECT, Record
from .scenarios import TARGETS, Scenario

RIVALS = ("wsgate-plain", "nginx", "nginx-64k", "haproxy", "envoy", "aiohttp-proxy")


def markdown(record: Record) -> str:
    """The whole report."""
    facts = [*record.machine.facts(), f"{record.plan.repeats} repeats"]
    head = "\n".join(["# wsgate benchmark", "", *(f"* {fact}" for fact in facts)])
    return "\n\n".join([head, *tables(record)]) + "\n"


def tables(record: Record) -> list[str]:
    """Sections with a table each; one of which the run has no figures is left out."""
    parts = [costs(record), latencies(record), rates(record)]
    if SUBJECT in record.plan.peers:
        parts.append(ratios(record))
    if record.failures:
        parts.append(_failures(record))
    return [part for part in parts if part]


def costs(record: Record) -> str:
    """CPU and memory."""
    scenarios = [scenario for scenario in record.plan.scenarios if scenario.kind != "latency"]
    words = "Cost of one message round trip, one handshake, one idle session; for `direct` that of the upstream."
    return _section(record, "Cost: median (least to most)", words, scenarios, 1, lambda sample: sample.cost)


def latencies(record: Record) -> str:
    """p50 and p99 of the paced echoes."""
    scenarios = [scenario for scenario in record.plan.scenarios if scenario.kind == "latency"]
    rows = [
        row
        for scenario in scenarios
        for row in (
            _row(record, f"{scenario.heading}: p50", scenario, 0, lambda sample: sample.cost),
            _row(record, f"{scenario.heading}: p99", scenario, 0, lambda sample: sample.p99),
            _row(record, f"{scenario.heading}: messages a second", scenario, 0, lambda sample: sample.rate),
        )
    ]
    words = "In µs, median (least to most) of the repeats. Each peer at half of its own most."
    return f"## Latency\n\n{words}\n\n{table(['', *record.plan.peers], rows)}" if rows else ""


def rates(record: Record) -> str:
    """Operations a second."""
    scenarios = [scenario for scenario in record.plan.scenarios if scenario.kind in ("load", "handshake")]
    words = "Not a target: client and upstream share the machine, and `direct` is the most that they can do."
    return _section(record, "Operations a second", words, scenarios, 0, lambda sample: sample.rate)


def ratios(record: Record) -> str:
    """wsgate by each of its rivals, and what became of the targets."""
    rivals = [rival for rival in RIVALS if rival in record.plan.peers]
    limits = {(target.scenario, target.against): target.limit for target in TARGETS}
    rows = []
    for scenario in record.plan.scenarios:
        if scenario.kind == "latency":
            # Each peer is asked for half of what it can do: not the same load.
            continue
        cells = [scenario.heading]
        for rival in rivals:
            values = record.ratios(scenario.name, rival)
            cells.append(summary(values, 2) + _verdict(values, limits.get((scenario.name, rival))))
        rows.append(cells)
    if not rows:
        return ""
    head = ["", *(f"{SUBJECT} / {rival}" for rival in rivals)]
    words = "Median (least to most) of the ratios of each repeat; lower is better for wsgate."
    return f"## Ratios and targets\n\n{words}\n\n{table(head, rows)}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; all but the first column are figures."""
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def summary(values: Sequence[float], digits: int) -> str:
    """Median and range."""
    if not values:
        return "not measured"
    if max(values) < 10:
        digits = max(digits, 2)
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def is_met(values: Sequence[float], limit: float) -> bool:
    """Whether the median of the ratios keeps the target."""
    return statistics.median(values) <= limit


def _section(
    record: Record, title: str, words: str, scenarios: Iterable[Scenario], digits: int,
    value: Callable[[Sample], float],
) -> str:  # fmt: skip
    rows = [
        _row(
            record,
            f"{scenario.heading} ({scenario.unit})" if digits else scenario.heading,
            scenario,
            digits,
            value,
        )
        for scenario in scenarios
    ]
    return f"## {title}\n\n{words}\n\n{table(['', *record.plan.peers], rows)}" if rows else ""


def _row(
    record: Record, title: str, scenario: Scenario, digits: int, value: Callable[[Sample], float]
) -> list[str]:
    cells = [[value(sample) for sample in record.of(scenario.name, peer)] for peer in record.plan.peers]
    return [title, *(summary(values, digits) for values in cells)]


def _verdict(values: Sequence[float], limit: float | None) -> str:
    if limit is None:
        return ""
    if not values:
        return f", target ≤ {limit}"
    return f", target ≤ {limit}: **{'met' if is_met(values, limit) else 'missed'}**"


def _failures(record: Record) -> str:
    lines = [f"```\n{s.scenario}, {s.peer}, repeat {s.repeat + 1}: {s.failure}\n```" for s in record.failures]
    return "\n".join(["## Failed measurements", "", *lines])
