"""A verdict is accepted for one reason only."""

import pytest

from wsgate_operator.translate.verdict import Reason, Verdict


@pytest.mark.parametrize("reason", Reason)
def test_only_the_reason_accepted_is_accepted(reason: Reason) -> None:
    assert Verdict("WsRoute", "a/b", reason, "").accepted is (reason == "Accepted")
