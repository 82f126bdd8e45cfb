"""A verdict is accepted for one reason only."""

import pytest

from wsgate_operator.translate.verdict import Unreadable, Verdict, VerdictReason


@pytest.mark.parametrize("reason", VerdictReason)
def test_only_the_reason_accepted_is_accepted(reason: VerdictReason) -> None:
    assert Verdict("WsRoute", "a/b", reason, "").accepted is (reason == "Accepted")


@pytest.mark.parametrize("reason", VerdictReason)
def test_an_object_that_others_left_no_room_is_not_faulty(reason: VerdictReason) -> None:
    of_its_own = ("Invalid", "RefNotPermitted", "InvalidCertificateRef")
    assert Verdict("WsRoute", "a/b", reason, "").is_faulty is (reason in of_its_own)


def test_an_unreadable_object_may_have_no_known_age() -> None:
    assert Unreadable("WsRoute", "a/b", "spec.x: unknown field").created is None
