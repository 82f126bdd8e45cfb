"""The report: Markdown tables of milliseconds, seconds and megabytes, and the targets."""

import math
import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from e2e.programs import KUBERNETES_VERSION

from . import revocation_stage, revoking, routes_stage

P99_MS_MAX = 500
MAX_MS_MAX = 1000
CHANGE_MS_MAX = 1000


@dataclass(frozen=True)
class Loads:
    """Load averages of a minute: before the first stage and after the last."""

    before: float
    after: float


def percentile(values: Sequence[float], percent: float) -> float:
    """The least value that so many percent do not exceed (nearest rank)."""
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def markdown(
    plans: tuple[revocation_stage.Plan, routes_stage.Plan],
    revocations: revoking.Outcome | None,
    routes: routes_stage.Outcome | None,
    loads: Loads,
) -> str:
    """The whole report; a stage that is None was not measured."""
    parts = [_machine(loads)]
    if revocations is not None:
        parts.append(_revocations(plans[0], revocations))
    if routes is not None:
        parts.append(_routes(plans[1], routes))
    if revocations is not None and revocations.faults:
        parts.append("\n".join(["## Faults", "", *(f"* {fault}" for fault in revocations.faults)]))
    return "\n\n".join(parts) + "\n"


def _machine(loads: Loads) -> str:
    facts = [
        f"{os.cpu_count()} CPUs, Linux {platform.release()}, Python {platform.python_version()}",
        f"kube-apiserver {KUBERNETES_VERSION}; it, etcd, Valkey, operator, data planes, upstream and client "
        "share the machine",
        f"load average {loads.before:.1f} before, {loads.after:.1f} at the end",
    ]
    return "\n".join(["# wsgate in a cluster", "", *(f"* {fact}" for fact in facts)])


def _revocations(plan: revocation_stage.Plan, outcome: revoking.Outcome) -> str:
    whole = [sample.closed for sample in outcome.one_by_one]
    pairs = [(each.published, each.closed) for each in outcome.one_by_one if each.published is not None]
    rows = [
        _row("one after the other", whole, (_p99_target(whole), _max_target(whole))),
        _row("of that: until the log stands in Redis", [published for published, _ in pairs]),
        _row("of that: from the log to the close", [closed - published for published, closed in pairs]),
        _row(f"{plan.burst} at once", [sample.closed for sample in outcome.burst]),
    ]
    words = (
        "From the API server's 201 for a TokenRevocation until the TCP connections of both of the user's "
        f"sessions, one on each data plane, were closed with 1008; in ms. {outcome.open_sessions} sessions stayed."
    )
    return f"## Revocations\n\n{words}\n\n{_table(_MS_HEAD, rows)}"


def _routes(plan: routes_stage.Plan, outcome: routes_stage.Outcome) -> str:
    start = [
        ["from the process's start to the ConfigMap that holds all", f"{outcome.first_render_seconds:.1f} s"],
        ["from the process's start to the last of their statuses", f"{outcome.statuses_seconds:.1f} s"],
        ["the operator's CPU until then", f"{outcome.cpu_seconds:.1f} s"],
        ["resident memory at the first render", f"{outcome.first_render_mb:.0f} MB"],
        ["most resident memory", f"{outcome.peak_mb:.0f} MB"],
    ]
    changes = [
        _row(
            "one WsRoute changed, until the ConfigMap says so", outcome.changes, (_change_target(outcome.changes),)
        ),
        _row("one TokenRevocation more, until the log stands in Redis", outcome.published),
    ]
    title = f"## {plan.routes} WsRoutes"
    return "\n\n".join([title, _table(["cold start", ""], start), "In ms from the API server's answer:",
                        _table(_MS_HEAD, changes)])  # fmt: skip


_MS_HEAD = ["", "count", "p50", "p99", "max", "target"]


def _row(words: str, values: Sequence[float], targets: Iterable[str] = ()) -> list[str]:
    if not values:
        return [words, "0", "", "", "", "not measured"]
    figures = (percentile(values, 50), percentile(values, 99), max(values))
    return [words, str(len(values)), *(f"{figure:.0f}" for figure in figures), "; ".join(targets)]


def _p99_target(values: Sequence[float]) -> str:
    return _verdict("p99", percentile(values, 99) if values else None, P99_MS_MAX)


def _max_target(values: Sequence[float]) -> str:
    return _verdict("max", max(values, default=None), MAX_MS_MAX)


def _change_target(values: Sequence[float]) -> str:
    return _verdict("p50", percentile(values, 50) if values else None, CHANGE_MS_MAX)


def _verdict(name: str, value: float | None, limit: int) -> str:
    is_met = value is not None and value <= limit
    return f"{name} ≤ {limit}: **{'met' if is_met else 'missed'}**"


def _table(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
