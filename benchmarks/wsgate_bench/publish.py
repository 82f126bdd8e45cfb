"""`python -m wsgate_bench.publish RESULTS.json`: write the documentation's page, its charts and its figures."""

import argparse
import statistics
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from .chart import Bar, Panel, chart
from .measure import Sample
from .page import page
from .peers import DEFAULT_PEERS, DIRECT
from .record import SUBJECT, Record, from_json
from .scenarios import SCENARIOS, Scenario

FOLDER = Path(__file__).parents[2] / "docs/explanation"
NAME = "performance"
KINDS = {SUBJECT: "ours", f"{SUBJECT}-plain": "plain", DIRECT: "floor"}


def files(record: Record) -> dict[str, str]:
    """What is published: text by name. Raises ValueError when the run was not a whole one."""
    _require_a_whole_run(record)
    return {
        f"{NAME}.json": record.to_json(),
        f"{NAME}.md": page(record),
        f"{NAME}-messages.svg": _costs(record, "CPU for each message round trip", "load"),
        f"{NAME}-handshakes.svg": _costs(record, "CPU for each handshake", "handshake"),
        f"{NAME}-memory.svg": _costs(record, "Memory of an idle session", "idle"),
        f"{NAME}-latency.svg": _latencies(record),
    }


def _require_a_whole_run(record: Record) -> None:
    names = [scenario.name for scenario in record.plan.scenarios]
    missing = [each.name for each in SCENARIOS if each.name not in names]
    missing += [peer for peer in DEFAULT_PEERS if peer not in record.plan.peers]
    if missing:
        raise ValueError(f"the run lacks {', '.join(missing)}: run it without --only and --peers")
    if record.plan.scenarios != SCENARIOS:
        raise ValueError("the run was measured with other figures than these scenarios': run it without --quick")
    if record.failures:
        raise ValueError(f"{len(record.failures)} measurements of the run failed: run it again")


def _costs(record: Record, title: str, kind: str) -> str:
    scenarios = [scenario for scenario in record.plan.scenarios if scenario.kind == kind]
    return chart(title, [_panel(record, each, each.heading, lambda sample: sample.cost) for each in scenarios])


def _latencies(record: Record) -> str:
    panels = []
    for scenario in record.plan.scenarios:
        if scenario.kind == "latency":
            panels.append(_panel(record, scenario, f"{scenario.heading}: p50", lambda sample: sample.cost))
            panels.append(_panel(record, scenario, f"{scenario.heading}: p99", lambda sample: sample.p99))
    return chart("Latency of a 64 B echo", panels)


def _panel(record: Record, scenario: Scenario, title: str, value: Callable[[Sample], float]) -> Panel:
    return Panel(f"{title} ({scenario.unit})", tuple(_bars(record, scenario, value)))


def _bars(record: Record, scenario: Scenario, value: Callable[[Sample], float]) -> Iterable[Bar]:
    for peer in record.plan.peers:
        values = [value(sample) for sample in record.of(scenario.name, peer)]
        if values:
            kind = KINDS.get(peer, "other")
            yield Bar(peer, kind, statistics.median(values), min(values), max(values))


def main() -> int:
    parser = argparse.ArgumentParser(prog="wsgate_bench.publish", description=__doc__)
    parser.add_argument("results", type=Path, help="what --json wrote, of a whole run")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="default: docs/explanation")
    options = parser.parse_args()
    try:
        made = files(from_json(options.results.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError) as error:
        sys.stderr.write(f"{options.results}: {error!r}; nothing was written\n")
        return 1
    for name, text in made.items():
        (options.folder / name).write_text(text, encoding="utf-8")
        sys.stderr.write(f"wrote {options.folder / name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
