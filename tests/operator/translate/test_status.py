"""A status says which version holds the object, and what a revocation touches."""

from dataclasses import replace
from typing import Any

from tests.operator.objects import STANDALONE, revocation
from wsgate_contract.revocation import RevocationRecord
from wsgate_operator.resources.tokenrevocation import TokenRevocationStatus
from wsgate_operator.translate.conditions import Rollout
from wsgate_operator.translate.revocations import record_of
from wsgate_operator.translate.status import TARGET_LENGTH_MAX, revocation_status, route_status, target_of
from wsgate_operator.translate.verdict import Verdict, VerdictReason

WRITTEN = Rollout(is_written=True, version=7, pods=2, acknowledged_pods=1)
ACCEPTED = Verdict("WsRoute", "a/b", VerdictReason.ACCEPTED, "accepted")


def of(record: RevocationRecord | None, rollout: Rollout = WRITTEN) -> TokenRevocationStatus:
    verdict = Verdict("TokenRevocation", "a/b", VerdictReason.ACCEPTED, "in force")
    return revocation_status(verdict, 3, rollout, record=record, served_namespaces=("a",), now=0.0)


def test_a_routes_status_has_the_version_that_holds_this_generation() -> None:
    status = route_status(ACCEPTED, 3, WRITTEN)
    assert (status.programmed_version, status.observed_generation) == (7, 3)
    assert [condition.type for condition in status.conditions] == [
        "Accepted",
        "ResolvedRefs",
        "Programmed",
        "Ready",
    ]
    assert route_status(ACCEPTED, 3, Rollout()).programmed_version is None
    refused = replace(ACCEPTED, reason=VerdictReason.INVALID)
    assert route_status(refused, 3, WRITTEN).programmed_version is None


def test_a_status_holds_no_times_of_its_own() -> None:
    assert all(
        condition.last_transition_time is None for condition in route_status(ACCEPTED, 3, WRITTEN).conditions
    )


def test_a_revocations_status_has_target_scope_and_pods() -> None:
    record = RevocationRecord(id="a/b", namespace="a", subject="alice", issued_before=0)
    status = of(record)
    assert (status.target, status.scope) == ("subject alice, issued before 1970-01-01T00:00:00Z", "a")
    assert (status.pods, status.acknowledged_pods) == (2, 1)
    assert of(record.model_copy(update={"namespace": None})).scope == "*"


def test_without_redis_no_pods_are_counted() -> None:
    status = of(RevocationRecord(id="a/b", jti="x"), Rollout(is_written=True))
    assert (status.pods, status.acknowledged_pods) == (None, None)


def test_a_revocation_that_was_never_in_force_has_neither_target_nor_scope() -> None:
    status = of(None)
    assert (status.target, status.scope) == (None, None)


def test_every_matcher_is_named_in_the_target_and_a_digest_is_short() -> None:
    spec: dict[str, Any] = {
        "jti": "j",
        "subject": "s",
        "sessionID": "i",
        "tokenSHA256": "0" * 64,
        "claim": {"claim": "c", "value": "v"},
        "issuer": "https://id",
    }
    assert target_of(record_of(revocation(**spec), STANDALONE)) == (
        "jti j, subject s, session i, token 000000000000…, claim c=v, issuer https://id"
    )


def test_a_long_target_is_cut() -> None:
    target = target_of(RevocationRecord(id="a/b", subject="x" * 1024))
    assert len(target) == TARGET_LENGTH_MAX
    assert target.endswith("…")
