"""Who may use the admin API: whoever holds the one bearer token."""

import hashlib
import re
from collections.abc import Sequence
from hmac import compare_digest

from pydantic import SecretStr

from wsgate_dataplane.admin.answers import AdminProblem, Fault
from wsgate_dataplane.admission.failures import WINDOW_SECONDS, FailureLimit, source_of
from wsgate_dataplane.outcomes.problem import REALM

FAILURES_MAX = 20
"""Wrong tokens that one source may send within WINDOW_SECONDS."""
SOURCES_MAX = 1000
FINGERPRINT_DIGITS = 12

_BEARER = re.compile(r"bearer +(.+)", re.IGNORECASE)
_CHALLENGE = f'Bearer realm="{REALM}"'


class Guard:
    """Compares digests in constant time, so that neither content nor length of the token can be measured."""

    def __init__(self, token: SecretStr | None) -> None:
        secret = token.get_secret_value() if token is not None else ""
        # An empty file is no token: it would let everybody in.
        self._digest = _digest(secret) if secret else None
        self._limit = FailureLimit(FAILURES_MAX, SOURCES_MAX)

    def check(self, authorization: Sequence[str], address: str, now: float) -> str:
        """The actor's name for the audit log, a fingerprint of the token; raises AdminProblem.

        authorization are the values of that header; now in seconds of a monotonic clock.
        """
        if self._digest is None:
            raise AdminProblem(
                Fault.ADMIN_TOKEN_NOT_CONFIGURED,
                "No admin token is configured: set WSGATE_ADMIN_TOKEN, or WSGATE_ADMIN_TOKEN_FILE to a file that "
                "holds one, and restart.",
            )
        blocked = self._limit.blocked_seconds(address, now)
        if blocked:
            raise AdminProblem(
                Fault.TOO_MANY_FAILURES,
                f"{FAILURES_MAX} wrong tokens came from {source_of(address)} in {WINDOW_SECONDS} s; wait.",
                {"Retry-After": str(int(blocked) + 1)},
            )
        if not authorization:
            raise AdminProblem(
                Fault.ADMIN_TOKEN_MISSING,
                "Send the header Authorization: Bearer, with the value of WSGATE_ADMIN_TOKEN.",
                {"WWW-Authenticate": _CHALLENGE},
            )
        found = _BEARER.fullmatch(authorization[0]) if len(authorization) == 1 else None
        if found is None or not compare_digest(_digest(found[1]), self._digest):
            self._limit.failed(address, now)
            raise AdminProblem(
                Fault.ADMIN_TOKEN_WRONG,
                "Send one Authorization header: Bearer, and exactly the value of WSGATE_ADMIN_TOKEN.",
                {"WWW-Authenticate": f'{_CHALLENGE}, error="invalid_token"'},
            )
        return f"token-{self._digest.hex()[:FINGERPRINT_DIGITS]}"


def _digest(token: str) -> bytes:
    # As the bytes came: headers are decoded with surrogateescape.
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
