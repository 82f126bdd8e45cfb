"""Only what a guesser sends counts as a failure, and every outcome can be told in a Close."""

from wsgate_dataplane.handshake.refusing import FAILURES
from wsgate_dataplane.outcomes.table import OUTCOMES, Reason


def test_a_wrong_setting_or_an_old_token_is_no_failure() -> None:
    for reason in (Reason.TOKEN_EXPIRED, Reason.TOKEN_AUDIENCE, Reason.TOKEN_MISSING, Reason.TOKEN_ISSUER):
        assert reason not in FAILURES


def test_every_failure_is_the_tokens() -> None:
    assert all(OUTCOMES[reason].words == "unauthorized" for reason in FAILURES)
