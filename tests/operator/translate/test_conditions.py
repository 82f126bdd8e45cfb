"""Each outcome has its conditions, for the generation that they speak about."""

from dataclasses import replace

import pytest

from wsgate_contract.revocation import RevocationRecord
from wsgate_operator.resources.metadata import Condition
from wsgate_operator.translate.conditions import (
    MESSAGE_LENGTH_MAX,
    Rollout,
    moment,
    revocation_conditions,
    route_conditions,
)
from wsgate_operator.translate.verdict import RefFault, Verdict, VerdictReason

ACCEPTED = Verdict("WsRoute", "a/b", VerdictReason.ACCEPTED, "accepted")
REVOKED = Verdict("TokenRevocation", "a/b", VerdictReason.ACCEPTED, "in force")
RECORD = RevocationRecord(id="a/b", namespace="a", jti="x", expires_at=1000)
NOW = 999.0
PENDING = Rollout()


def of_route(verdict: Verdict = ACCEPTED, rollout: Rollout = PENDING) -> dict[str, Condition]:
    return {condition.type: condition for condition in route_conditions(verdict, 3, rollout)}


def of_revocation(
    verdict: Verdict = REVOKED,
    rollout: Rollout = PENDING,
    record: RevocationRecord | None = RECORD,
    served: tuple[str, ...] = ("a",),
    now: float = NOW,
) -> dict[str, Condition]:
    conditions = revocation_conditions(verdict, 3, rollout, record=record, served_namespaces=served, now=now)
    return {condition.type: condition for condition in conditions}


def word(condition: Condition) -> tuple[str, str]:
    return condition.status, condition.reason


@pytest.mark.parametrize("reason", VerdictReason)
def test_every_reason_but_accepted_is_false_and_nothing_of_it_is_programmed(reason: VerdictReason) -> None:
    found = of_route(
        replace(ACCEPTED, reason=reason), Rollout(is_written=True, version=7, pods=2, acknowledged_pods=2)
    )
    expected = "Invalid" if reason in ("RefNotPermitted", "InvalidCertificateRef") else str(reason)
    assert word(found["Accepted"]) == (str(reason == "Accepted"), expected)
    assert found["Programmed"].status == found["Ready"].status == str(reason == "Accepted")
    assert {condition.observed_generation for condition in found.values()} == {3}


def test_warnings_stand_in_the_message_of_accepted() -> None:
    found = of_route(replace(ACCEPTED, warnings=("spec.retry has no effect yet", "second")))
    assert found["Accepted"].message == "accepted; warning: spec.retry has no effect yet; warning: second"
    assert found["Accepted"].status == "True"


def test_a_secret_that_cannot_be_used_is_told_beside_any_other_fault() -> None:
    fault = RefFault(VerdictReason.INVALID_CERTIFICATE_REF, "no such Secret")
    for reason in (VerdictReason.INVALID_CERTIFICATE_REF, VerdictReason.INVALID):
        refs = of_route(replace(ACCEPTED, reason=reason, message="why", unresolved=fault))["ResolvedRefs"]
        assert (word(refs), refs.message) == (("False", "InvalidCertificateRef"), "no such Secret")
    both = of_route(replace(ACCEPTED, reason=VerdictReason.INVALID, forbidden="not there", unresolved=fault))
    assert word(both["ResolvedRefs"]) == ("False", "RefNotPermitted")
    assert both["ResolvedRefs"].message == "not there; no such Secret"


def test_a_forbidden_destination_is_told_beside_any_other_fault() -> None:
    for reason in (VerdictReason.REF_NOT_PERMITTED, VerdictReason.INVALID):
        found = of_route(replace(ACCEPTED, reason=reason, message="why", forbidden="not there"))
        assert word(found["ResolvedRefs"]) == ("False", "RefNotPermitted")
        assert found["ResolvedRefs"].message == "not there"
    assert word(of_route()["ResolvedRefs"]) == ("True", "ResolvedRefs")


def test_of_an_unreadable_object_no_destination_is_known() -> None:
    unreadable = Verdict("WsRoute", "a/b", VerdictReason.INVALID, "unknown field", is_readable=False)
    assert word(of_route(unreadable)["ResolvedRefs"]) == ("Unknown", "Pending")


@pytest.mark.parametrize(
    ("rollout", "programmed", "ready"),
    [
        (Rollout(), ("Unknown", "Pending"), ("Unknown", "Pending")),
        (Rollout(fault="403"), ("False", "WriteFailed"), ("Unknown", "Pending")),
        (
            Rollout(is_written=True, version=7),
            ("True", "Programmed"),
            ("Unknown", "NoAcknowledgement"),
        ),
        (Rollout(is_written=True, version=7, pods=0), ("True", "Programmed"), ("False", "NoPods")),
        (
            Rollout(is_written=True, version=7, pods=2, acknowledged_pods=1),
            ("True", "Programmed"),
            ("False", "Acknowledging"),
        ),
        (
            Rollout(is_written=True, version=7, pods=2, acknowledged_pods=2),
            ("True", "Programmed"),
            ("True", "Ready"),
        ),
    ],
)
def test_a_routes_way_to_the_pods_is_told_step_by_step(
    rollout: Rollout, programmed: tuple[str, str], ready: tuple[str, str]
) -> None:
    found = of_route(rollout=rollout)
    assert (word(found["Programmed"]), word(found["Ready"])) == (programmed, ready)


def test_messages_name_version_fault_and_pods() -> None:
    assert of_route(rollout=Rollout(fault="no space"))["Programmed"].message == "no space"
    partly = of_route(
        rollout=Rollout(is_written=True, version=7, fault="Redis is away", pods=2, acknowledged_pods=1)
    )
    assert partly["Programmed"].message == "written as version 7; Redis is away"
    assert partly["Ready"].message == "1 of 2 pods serve it"


def test_one_more_pod_that_serves_it_changes_no_condition() -> None:
    two, three = (Rollout(is_written=True, version=7, pods=pods, acknowledged_pods=pods) for pods in (2, 3))
    assert of_route(rollout=two) == of_route(rollout=three)


def test_a_revocation_is_accepted_published_and_active() -> None:
    found = of_revocation(rollout=Rollout(is_written=True))
    assert [word(each) for each in found.values()] == [
        ("True", "Accepted"),
        ("True", "Published"),
        ("True", "Active"),
    ]
    assert list(found) == ["Accepted", "Published", "Active"]


def test_a_revocation_that_has_ended_says_when() -> None:
    found = of_revocation(now=1000.0)["Active"]
    assert (word(found), found.message) == (("False", "Expired"), "it ended at 1970-01-01T00:16:40Z")


@pytest.mark.parametrize(
    ("seconds", "says"),
    [
        (-62_135_596_801, "0001-01-01T00:00:00Z"),
        (-(10**30), "0001-01-01T00:00:00Z"),
        (253_402_300_799, "9999-12-31T23:59:59Z"),
        (253_402_300_800, "9999-12-31T23:59:59Z"),
        (10**400, "9999-12-31T23:59:59Z"),
        (float("-inf"), "0001-01-01T00:00:00Z"),
    ],
)
def test_a_time_beyond_the_calendar_is_shown_as_its_end(seconds: float, says: str) -> None:
    assert moment(seconds) == says


def test_a_revocation_that_touches_no_route_says_where_to_create_it() -> None:
    found = of_revocation(served=("b",))["Active"]
    assert word(found) == ("False", "NoRoutesInScope")
    assert "create the TokenRevocation in the namespace of the routes" in found.message
    everywhere = RECORD.model_copy(update={"namespace": None})
    assert word(of_revocation(record=everywhere, served=("b",))["Active"]) == ("True", "Active")
    assert word(of_revocation(record=everywhere, served=())["Active"]) == ("False", "NoRoutesInScope")


def test_an_invalid_revocation_is_active_by_its_last_accepted_version_only() -> None:
    invalid = replace(REVOKED, reason=VerdictReason.INVALID, message="why")
    assert word(of_revocation(invalid, record=None)["Active"]) == ("False", "Invalid")
    kept = of_revocation(invalid, Rollout(is_written=True))
    assert word(kept["Active"]) == ("True", "Active")
    assert word(kept["Published"]) == ("False", "NotAccepted")


def test_a_message_is_cut_where_nobody_would_read_on() -> None:
    message = of_route(replace(ACCEPTED, message="x" * 100_000))["Accepted"].message
    assert len(message) == MESSAGE_LENGTH_MAX
    assert message.endswith("…")
