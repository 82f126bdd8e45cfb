"""Verdicts as the conditions that `kubectl wait` and GitOps tools read; the sink adds the times."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from wsgate_contract.revocation import RevocationRecord
from wsgate_operator.resources.metadata import Condition
from wsgate_operator.translate.verdict import RefFault, Verdict, VerdictReason

Status = Literal["True", "False", "Unknown"]
MESSAGE_LENGTH_MAX = 4096
"""Enough for people; the API server takes 32 KiB, and a route may have many faults with long names in them."""
FIRST_SECOND, LAST_SECOND = -62_135_596_800, 253_402_300_799
"""Of the years 1 and 9999: a time from elsewhere must not keep a status from being told."""
NOT_ACCEPTED = "this generation is not accepted; see the condition Accepted"


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """How far the decision on one object's generation has got.

    version: of the first file that holds it, for routes only. fault: why it could not be written, or
    not everywhere. pods: data-plane pods with a live lease; None where no Redis tells of them.
    """

    is_written: bool = False
    version: int | None = None
    fault: str = ""
    pods: int | None = None
    acknowledged_pods: int = 0


def route_conditions(verdict: Verdict, generation: int | None, rollout: Rollout) -> tuple[Condition, ...]:
    """Accepted, ResolvedRefs, Programmed and Ready."""
    return (
        _accepted(verdict, generation),
        _resolved_refs(verdict, generation),
        _written("Programmed", verdict, generation, rollout),
        _ready(verdict, generation, rollout),
    )


def revocation_conditions(
    verdict: Verdict,
    generation: int | None,
    rollout: Rollout,
    *,
    record: RevocationRecord | None,
    served_namespaces: Collection[str],
    now: float,
) -> tuple[Condition, ...]:
    """Accepted, Published and Active.

    record: the one in force, if any; served_namespaces: those that have a route in force; now: Unix seconds.
    """
    return (
        _accepted(verdict, generation),
        _written("Published", verdict, generation, rollout),
        _active(verdict, generation, record, served_namespaces, now),
    )


def _condition(type_: str, status: Status, reason: str, message: str, generation: int | None) -> Condition:
    if len(message) > MESSAGE_LENGTH_MAX:
        message = f"{message[: MESSAGE_LENGTH_MAX - 1]}…"
    return Condition(type=type_, status=status, reason=reason, message=message, observed_generation=generation)


def _accepted(verdict: Verdict, generation: int | None) -> Condition:
    message = "; ".join((verdict.message, *(f"warning: {text}" for text in verdict.warnings)))
    # Not "True": nothing of such a route is served, and people look at this column first.
    reason = VerdictReason.INVALID if verdict.is_faulty else verdict.reason
    return _condition("Accepted", "True" if verdict.accepted else "False", reason, message, generation)


def _resolved_refs(verdict: Verdict, generation: int | None) -> Condition:
    faults = [] if verdict.forbidden is None else [RefFault(VerdictReason.REF_NOT_PERMITTED, verdict.forbidden)]
    faults += [] if verdict.unresolved is None else [verdict.unresolved]
    if faults:
        message = "; ".join(fault.message for fault in faults)
        return _condition("ResolvedRefs", "False", faults[0].reason, message, generation)
    if not verdict.is_readable:
        return _condition("ResolvedRefs", "Unknown", "Pending", NOT_ACCEPTED, generation)
    return _condition("ResolvedRefs", "True", "ResolvedRefs", "every destination is permitted", generation)


def _written(type_: str, verdict: Verdict, generation: int | None, rollout: Rollout) -> Condition:
    if not verdict.accepted:
        return _condition(type_, "False", "NotAccepted", NOT_ACCEPTED, generation)
    if rollout.is_written:
        message = "; ".join(filter(None, (_where(rollout), rollout.fault)))
        return _condition(type_, "True", type_, message, generation)
    if rollout.fault:
        return _condition(type_, "False", "WriteFailed", rollout.fault, generation)
    return _condition(type_, "Unknown", "Pending", "not written yet", generation)


def _where(rollout: Rollout) -> str:
    return "written for the pods" if rollout.version is None else f"written as version {rollout.version}"


def _ready(verdict: Verdict, generation: int | None, rollout: Rollout) -> Condition:
    if not verdict.accepted:
        return _condition("Ready", "False", "NotAccepted", NOT_ACCEPTED, generation)
    if not rollout.is_written:
        return _condition("Ready", "Unknown", "Pending", "not written yet", generation)
    if rollout.pods is None:
        message = "pods acknowledge by Redis, and no Redis answers or is configured"
        return _condition("Ready", "Unknown", "NoAcknowledgement", message, generation)
    if rollout.pods == 0:
        return _condition("Ready", "False", "NoPods", "no data-plane pod has a live lease in Redis", generation)
    if rollout.acknowledged_pods < rollout.pods:
        message = f"{rollout.acknowledged_pods} of {rollout.pods} pods serve it"
        return _condition("Ready", "False", "Acknowledging", message, generation)
    # Without a number: a pod more must not rewrite the status of each route.
    return _condition("Ready", "True", "Ready", "every live pod serves it", generation)


def _active(
    verdict: Verdict,
    generation: int | None,
    record: RevocationRecord | None,
    served_namespaces: Collection[str],
    now: float,
) -> Condition:
    if record is None:
        return _condition("Active", "False", "Invalid", verdict.message, generation)
    if record.expires_at is not None and record.expires_at <= now:
        message = f"it ended at {moment(record.expires_at)}"
        return _condition("Active", "False", "Expired", message, generation)
    if record.namespace is None and not served_namespaces:
        return _condition("Active", "False", "NoRoutesInScope", "the gateway serves no route yet", generation)
    if record.namespace is not None and record.namespace not in served_namespaces:
        message = (
            f'namespace "{record.namespace}" has no route, and only its routes are touched: create the '
            "TokenRevocation in the namespace of the routes, or in the root namespace for all"
        )
        return _condition("Active", "False", "NoRoutesInScope", message, generation)
    return _condition(
        "Active", "True", "Active", "matching tokens are refused and their sessions closed", generation
    )


def moment(seconds: float) -> str:
    """Unix seconds as RFC 3339; what no calendar holds as its first or last second."""
    shown = max(FIRST_SECOND, min(LAST_SECOND, seconds))
    return datetime.fromtimestamp(shown, UTC).isoformat().replace("+00:00", "Z")
