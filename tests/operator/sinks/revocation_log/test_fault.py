"""Each fault tells what is wrong and what to do."""

import pytest

from wsgate_operator.sinks.revocation_log.fault import Reason, RevocationLogError


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_words_and_a_way_out(reason: Reason) -> None:
    what, _, fix = str(RevocationLogError(reason)).partition("; ")
    assert what
    assert fix


def test_the_servers_word_stands_between_what_and_fix() -> None:
    assert str(RevocationLogError(Reason.LOADING, "LOADING")) == (
        "Redis is still loading its data (LOADING); wait; it is tried again"
    )
