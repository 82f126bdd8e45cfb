"""Who may use the admin API: whoever holds the one bearer token."""

import hashlib
import ipaddress
import re
from collections.abc import Sequence
from hmac import compare_digest

from pydantic import SecretStr

from wsgate_dataplane.admin.answers import AdminProblem, Fault
from wsgate_dataplane.outcomes.problem import REALM

FAILURES_MAX = 20
"""Wrong tokens that one source may send within FAILURE_WINDOW_SECONDS."""
FAILURE_WINDOW_SECONDS = 60
SOURCES_MAX = 1000
"""Sources remembered; beyond them the oldest is forgotten."""
FINGERPRINT_DIGITS = 12
IPV6_PREFIX = 64
"""One host may choose any address within it."""

_BEARER = re.compile(r"bearer +(.+)", re.IGNORECASE)
_CHALLENGE = f'Bearer realm="{REALM}"'


class FailureLimit:
    """Counts failures of each source in windows that begin with its first one.

    Not one count for all: a stranger who guesses must not keep the owner from revoking.
    """

    def __init__(self) -> None:
        self._windows: dict[str, tuple[float, int]] = {}
        """Begin and failures, by source, oldest window first."""

    def blocked_seconds(self, source: str, now: float) -> float:
        """How long nothing from there is looked at; 0: it is. now in seconds of a monotonic clock."""
        begin, failures = self._windows.get(source, (now, 0))
        left = begin + FAILURE_WINDOW_SECONDS - now
        return max(left, 0.0) if failures >= FAILURES_MAX else 0.0

    def failed(self, source: str, now: float) -> None:
        """Count one."""
        begin, failures = self._windows.get(source, (now, 0))
        if now >= begin + FAILURE_WINDOW_SECONDS:
            begin, failures = now, 0
        if failures == 0:
            self._windows.pop(source, None)
            while len(self._windows) >= SOURCES_MAX:
                del self._windows[next(iter(self._windows))]
        self._windows[source] = (begin, failures + 1)


class Guard:
    """Compares digests in constant time, so that neither content nor length of the token can be measured."""

    def __init__(self, token: SecretStr | None) -> None:
        secret = token.get_secret_value() if token is not None else ""
        # An empty file is no token: it would let everybody in.
        self._digest = _digest(secret) if secret else None
        self._limit = FailureLimit()

    def check(self, authorization: Sequence[str], address: str, now: float) -> str:
        """The actor's name for the audit log, a fingerprint of the token; raises AdminProblem.

        authorization are the values of that header; now in seconds of a monotonic clock.
        """
        if self._digest is None:
            raise AdminProblem(
                Fault.ADMIN_TOKEN_NOT_CONFIGURED,
                "No admin token is configured: set WSGATE_ADMIN_TOKEN_FILE to a file that holds one, and restart.",
            )
        source = _source(address)
        blocked = self._limit.blocked_seconds(source, now)
        if blocked:
            raise AdminProblem(
                Fault.TOO_MANY_FAILURES,
                f"More than {FAILURES_MAX} wrong tokens came from {source} in {FAILURE_WINDOW_SECONDS} s; wait.",
                {"Retry-After": str(int(blocked) + 1)},
            )
        if not authorization:
            raise AdminProblem(
                Fault.ADMIN_TOKEN_MISSING,
                "Send the header Authorization: Bearer, with the content of WSGATE_ADMIN_TOKEN_FILE.",
                {"WWW-Authenticate": _CHALLENGE},
            )
        found = _BEARER.fullmatch(authorization[0]) if len(authorization) == 1 else None
        if found is None or not compare_digest(_digest(found[1]), self._digest):
            self._limit.failed(source, now)
            raise AdminProblem(
                Fault.ADMIN_TOKEN_WRONG,
                "Send one Authorization header: Bearer, and exactly the content of WSGATE_ADMIN_TOKEN_FILE.",
                {"WWW-Authenticate": f'{_CHALLENGE}, error="invalid_token"'},
            )
        return f"token-{self._digest.hex()[:FINGERPRINT_DIGITS]}"


def _digest(token: str) -> bytes:
    # As the bytes came: headers are decoded with surrogateescape.
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def _source(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 6 and parsed.ipv4_mapped is None:
        return str(ipaddress.IPv6Network((int(parsed), IPV6_PREFIX), strict=False))
    return address
