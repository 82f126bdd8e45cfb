"""A refusal carries its row and a detail for the log."""

from wsgate_dataplane.outcomes.refusal import Refused
from wsgate_dataplane.outcomes.table import OUTCOMES, Reason


def test_a_refusal_knows_its_row_and_says_reason_and_detail() -> None:
    refused = Refused(Reason.TOKEN_AUDIENCE, "expected a, found b")
    assert refused.outcome is OUTCOMES[Reason.TOKEN_AUDIENCE]
    assert str(refused) == "token-audience: expected a, found b"
    assert str(Refused(Reason.DRAINING)) == "draining"
