"""Every limit and every lost side has its outcome."""

from wsgate_dataplane.outcomes.table import OUTCOMES
from wsgate_dataplane.registry.session import LIMIT_REASONS, LOST_REASONS, PEERS
from wsgate_dataplane.relay.engine import Limit, Side


def test_every_limit_of_the_relay_has_a_reason_with_a_close_code() -> None:
    assert set(LIMIT_REASONS) == set(Limit)


def test_a_lost_upstream_is_told_to_the_client_and_a_lost_client_to_nobody() -> None:
    assert set(LOST_REASONS) == set(PEERS) == set(Side)
    assert OUTCOMES[LOST_REASONS[Side.UPSTREAM]].close == 1014
    assert OUTCOMES[LOST_REASONS[Side.CLIENT]].close is None


def test_every_limit_is_answered_with_a_close_so_that_no_session_is_left_standing() -> None:
    # The relay sets no further deadline after a limit: a reason without a code would leave it for ever.
    assert all(OUTCOMES[reason].close is not None for reason in LIMIT_REASONS.values())
