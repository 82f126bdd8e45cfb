"""`python -m wsgate_bench`: parse the options, measure, print the report."""

import argparse
import dataclasses
import os
import sys
from collections.abc import Callable
from pathlib import Path

from .machine import this_machine
from .measure import Plan, Sample, measure_all
from .peers import DEFAULT_PEERS, DIRECT, PEERS
from .processes import ProcessFailed, prepare
from .record import Record
from .report import markdown
from .scenarios import SCENARIOS, shortened

REPEATS = 9
QUICK_REPEATS = 3


def _names(known: list[str]) -> Callable[[str], tuple[str, ...]]:
    def parse(text: str) -> tuple[str, ...]:
        names = tuple(text.split(","))
        unknown = [name for name in names if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(known)}")
        return names

    return parse


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="wsgate_bench", description="What wsgate and other proxies cost.")
    scenarios = [scenario.name for scenario in SCENARIOS]
    parser.add_argument("--quick", action="store_true", help="about three minutes: shorter, fewer, noisier")
    parser.add_argument("--only", type=_names(scenarios), default=tuple(scenarios), help=",".join(scenarios))
    peers = [*PEERS, DIRECT]
    parser.add_argument("--peers", type=_names(peers), default=DEFAULT_PEERS, help=",".join(peers))
    parser.add_argument("--repeats", type=int, help=f"default {REPEATS}, with --quick {QUICK_REPEATS}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the run there")
    return parser.parse_args()


def _progress(words: str) -> None:
    sys.stderr.write(words + "\n")


def main() -> int:
    options = _options()
    prepare()
    scenarios = tuple(scenario for scenario in SCENARIOS if scenario.name in options.only)
    if options.quick:
        scenarios = tuple(shortened(scenario) for scenario in scenarios)
    repeats = options.repeats or (QUICK_REPEATS if options.quick else REPEATS)
    plan = Plan(scenarios, options.peers, repeats)
    try:
        machine = this_machine(plan.peers)
    except FileNotFoundError as error:
        _progress(str(error))
        return 1
    samples: list[Sample] = []
    broken = ""
    try:
        for sample in measure_all(plan, _progress):
            samples.append(sample)
    except (ProcessFailed, OSError) as error:
        broken = str(error)
    record = Record(dataclasses.replace(machine, load_after=os.getloadavg()[0]), plan, tuple(samples))
    if options.json:
        options.json.write_text(record.to_json())
    if samples:
        sys.stdout.write(markdown(record))
    if broken:
        _progress(f"the run broke off: {broken}")
    return 1 if broken or record.failures else 0


if __name__ == "__main__":
    sys.exit(main())
