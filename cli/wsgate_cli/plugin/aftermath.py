"""What became of a TokenRevocation that was just created: a warning where it revokes nothing."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from wsgate_cli.plugin.kubectl import Kubectl, KubectlError

WAIT_SECONDS_MAX = 2.0
PAUSE_SECONDS = 0.1
CLOCK_SECONDS_MAX = 5
"""A clock further behind the API server's than this is worth a warning."""
CONDITIONS = ("Accepted", "Published", "Active")


@dataclass(frozen=True)
class Judgement:
    """is_settled: every condition is known. warnings: each a line for people."""

    is_settled: bool
    warnings: tuple[str, ...]


def judge(found: Mapping[str, Any]) -> Judgement:
    """Look at an object as the API server shows it."""
    status = found.get("status", {})
    conditions = {each.get("type"): each for each in status.get("conditions", ())}
    states = {name: conditions.get(name, {}).get("status", "Unknown") for name in CONDITIONS}
    false = [name for name, state in states.items() if state == "False"]
    open_ = [name for name, state in states.items() if state == "Unknown"]
    # The first that fails explains those that follow from it.
    warnings = [_condition(conditions[name]) for name in false[:1]]
    if open_ and not false:
        message = conditions.get(open_[0], {}).get("message") or "no operator has looked at it"
        warnings.append(f"not in force yet after {WAIT_SECONDS_MAX:g} s: {open_[0]} is Unknown: {message}")
    return Judgement(bool(false) or not open_, tuple(warnings))


def watch(
    kubectl: Kubectl,
    name: str,
    arguments: tuple[str, ...],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    *,
    is_now: bool,
) -> tuple[str, ...]:
    """Wait until the operator has said what it makes of the object; the warnings; never longer than the limit.

    is_now: its issuedBefore, if any, is what this machine took for now.
    """
    deadline = clock() + WAIT_SECONDS_MAX
    warnings: tuple[str, ...] = ()
    while (left := deadline - clock()) > 0:
        try:
            text = kubectl.output("get", "tokenrevocations.wsgate.dev", name, "-o=json", *arguments, seconds=left)
            found = json.loads(text)
        except (KubectlError, ValueError) as error:
            # What an earlier look has found is worth more than that there was no time for another.
            return warnings or (f"not known whether it is in force: {error}",)
        judgement = judge(found)
        warnings = (*judgement.warnings, *(_clock(found) if is_now else ()))
        if judgement.is_settled:
            break
        sleep(PAUSE_SECONDS)
    return warnings


def _condition(condition: Mapping[str, Any]) -> str:
    return (
        f"it revokes nothing: {condition['type']} is False: {condition.get('reason')}: {condition.get('message')}"
    )


def _clock(found: Mapping[str, Any]) -> tuple[str, ...]:
    issued_before = found.get("spec", {}).get("issuedBefore")
    created = found.get("metadata", {}).get("creationTimestamp")
    if issued_before is None or created is None:
        return ()
    behind = (_moment(created) - _moment(issued_before)).total_seconds()
    if behind <= CLOCK_SECONDS_MAX:
        return ()
    return (
        f"issuedBefore {issued_before} is {behind:g} s before the API server's time {created}: tokens issued in "
        "between stay good; set this machine's clock, or give --issued-before",
    )


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.upper())
