"""The whole status of an object, but for the times of its conditions."""

from collections.abc import Collection

from wsgate_contract.revocation import RevocationRecord
from wsgate_operator.resources.tokenrevocation import TokenRevocationStatus
from wsgate_operator.resources.wsroute import WsRouteStatus
from wsgate_operator.translate.conditions import Rollout, moment, revocation_conditions, route_conditions
from wsgate_operator.translate.verdict import Verdict

EVERYWHERE = "*"
TARGET_LENGTH_MAX = 256
DIGEST_DIGITS_SHOWN = 12


def route_status(verdict: Verdict, generation: int | None, rollout: Rollout) -> WsRouteStatus:
    """The status of a WsRoute."""
    is_programmed = verdict.accepted and rollout.is_written
    return WsRouteStatus(
        observed_generation=generation,
        conditions=route_conditions(verdict, generation, rollout),
        programmed_version=rollout.version if is_programmed else None,
    )


def revocation_status(
    verdict: Verdict,
    generation: int | None,
    rollout: Rollout,
    *,
    record: RevocationRecord | None,
    served_namespaces: Collection[str],
    now: float,
) -> TokenRevocationStatus:
    """The status of a TokenRevocation.

    record: the one in force, if any; served_namespaces: those that have a route in force; now: Unix seconds.
    """
    conditions = revocation_conditions(
        verdict, generation, rollout, record=record, served_namespaces=served_namespaces, now=now
    )
    return TokenRevocationStatus(
        observed_generation=generation,
        conditions=conditions,
        target=None if record is None else target_of(record),
        scope=None if record is None else record.namespace or EVERYWHERE,
        pods=rollout.pods,
        acknowledged_pods=None if rollout.pods is None else rollout.acknowledged_pods,
    )


def target_of(record: RevocationRecord) -> str:
    """What the record revokes, in one short line."""
    digest = record.token_sha256 and f"{record.token_sha256[:DIGEST_DIGITS_SHOWN]}…"
    claim = record.claim and f"{record.claim.claim}={record.claim.value}"
    before = None if record.issued_before is None else moment(record.issued_before)
    parts = (
        ("jti", record.jti),
        ("subject", record.subject),
        ("session", record.session_id),
        ("token", digest),
        ("claim", claim),
        ("issuer", record.issuer),
        ("issued before", before),
    )
    text = ", ".join(f"{name} {value}" for name, value in parts if value is not None)
    return text if len(text) <= TARGET_LENGTH_MAX else f"{text[: TARGET_LENGTH_MAX - 1]}…"
