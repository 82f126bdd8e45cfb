"""When a session ends by age."""

from collections.abc import Callable

from wsgate_contract.route import Expiry
from wsgate_dataplane.outcomes.table import Reason

TOKEN_EXPIRED, SESSION_TOO_OLD = Reason.TOKEN_EXPIRED, Reason.SESSION_TOO_OLD

JITTER = 0.1
"""maxSessionSeconds is shortened by up to this share, so that sessions opened together part."""


def end_of_token(expiry: Expiry, expires_at: int | None) -> tuple[float, Reason] | None:
    """The moment (Unix seconds) from which a session is not opened any more; None: there is none."""
    if expiry.mode == "Token" and expires_at is not None:
        return expires_at + expiry.leeway_seconds, TOKEN_EXPIRED
    return None


def end_of_session(
    expiry: Expiry, expires_at: int | None, now: float, random: Callable[[], float]
) -> tuple[float, Reason] | None:
    """The moment (Unix seconds) and the reason; None: it does not age.

    expires_at is the token's exp; now the moment of the handshake; random gives floats in [0, 1).
    """
    by_token = end_of_token(expiry, expires_at)
    if expiry.max_session_seconds is None:
        return by_token
    longest = expiry.max_session_seconds * (1 - JITTER * random())
    by_age = now + longest, SESSION_TOO_OLD
    return by_age if by_token is None else min(by_token, by_age)
