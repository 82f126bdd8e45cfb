"""A session ends by its token's age or its own, whichever comes first."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from wsgate_contract.route import Expiry
from wsgate_dataplane.outcomes.table import Reason
from wsgate_dataplane.session.expiry import JITTER, end_of_session, end_of_token

NOW = 1_800_000_000.0


def always(share: float) -> Callable[[], float]:
    return lambda: share


def test_a_token_ends_its_session_at_exp_plus_leeway() -> None:
    end = end_of_session(Expiry(leeway_seconds=30), int(NOW) + 300, NOW, always(0))
    assert end == (NOW + 330, Reason.TOKEN_EXPIRED)


def test_a_token_in_its_leeway_ends_its_session_soon() -> None:
    end = end_of_session(Expiry(leeway_seconds=30), int(NOW) - 10, NOW, always(0))
    assert end == (NOW + 20, Reason.TOKEN_EXPIRED)


def test_without_a_token_and_without_a_limit_a_session_does_not_age() -> None:
    assert end_of_session(Expiry(), None, NOW, always(0)) is None


def test_without_a_token_the_limit_still_holds() -> None:
    end = end_of_session(Expiry(max_session_seconds=100), None, NOW, always(0))
    assert end == (NOW + 100, Reason.SESSION_TOO_OLD)


def test_in_mode_session_exp_no_longer_counts() -> None:
    expiry = Expiry(mode="Session", max_session_seconds=28800)
    assert end_of_session(expiry, int(NOW) + 60, NOW, always(0)) == (NOW + 28800, Reason.SESSION_TOO_OLD)


def test_only_the_token_ends_a_session_that_is_not_open_yet() -> None:
    expires_at = int(NOW) + 60
    assert end_of_token(Expiry(leeway_seconds=5, max_session_seconds=1), expires_at) == (
        NOW + 65,
        Reason.TOKEN_EXPIRED,
    )
    assert end_of_token(Expiry(mode="Session", max_session_seconds=1), expires_at) is None
    assert end_of_token(Expiry(), None) is None


def test_the_limit_ends_a_session_before_its_token_does() -> None:
    end = end_of_session(Expiry(max_session_seconds=100), int(NOW) + 300, NOW, always(0))
    assert end == (NOW + 100, Reason.SESSION_TOO_OLD)


def test_the_token_ends_a_session_before_the_limit_does() -> None:
    expiry = Expiry(max_session_seconds=1000, leeway_seconds=0)
    assert end_of_session(expiry, int(NOW) + 300, NOW, always(0)) == (NOW + 300, Reason.TOKEN_EXPIRED)


def test_exp_is_not_jittered() -> None:
    expiry = Expiry(leeway_seconds=0)
    assert end_of_session(expiry, 5, NOW, always(0.9)) == (5, Reason.TOKEN_EXPIRED)


@given(st.integers(1, 2_592_000), st.floats(0, 1, exclude_max=True))
def test_the_limit_is_shortened_by_at_most_a_tenth_and_never_lengthened(longest: int, share: float) -> None:
    end = end_of_session(Expiry(max_session_seconds=longest), None, NOW, always(share))
    assert end is not None
    assert longest * (1 - JITTER) - 1e-6 <= end[0] - NOW <= longest
