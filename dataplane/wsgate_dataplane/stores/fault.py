"""What can be wrong with a Redis and with the revocation log in it, and what to do about it."""

import logging
from collections.abc import Mapping
from enum import StrEnum, unique

log = logging.getLogger("wsgate")

REVOCATION_SETTING = "WSGATE_REVOCATION_REDIS_URL (or REDIS_URL)"
_SETTING = "<setting>"


@unique
class Cause(StrEnum):
    """Also the metric's label."""

    # The connection.
    UNREACHABLE = "unreachable"
    TIMED_OUT = "timed-out"
    TLS = "tls"
    # What Redis answers.
    AUTHENTICATION = "authentication"
    PERMISSION = "permission"
    READ_ONLY = "read-only"
    OUT_OF_MEMORY = "out-of-memory"
    NO_REPLICAS = "no-replicas"
    LOADING = "loading"
    ANSWER = "answer"
    # What stands in it.
    LOG_MISSING = "log-missing"
    SET_DAMAGED = "set-damaged"
    UNREADABLE = "unreadable"
    INBOX_FULL = "inbox-full"
    OPERATOR_AWAY = "operator-away"
    UNEXPECTED = "unexpected"


class RedisFault(Exception):
    """A call failed, or what was read does not prove itself; detail holds no secret and no record.

    setting: which one names the Redis.
    """

    def __init__(self, cause: Cause, detail: str = "", setting: str = REVOCATION_SETTING) -> None:
        what, fix = _WORDS[cause]
        super().__init__(f"{what}{f' ({detail})' if detail else ''}; {fix.replace(_SETTING, setting)}")
        self.cause = cause


class Outage:
    """Logs each cause once for as long as the outage lasts, and its end."""

    def __init__(self, what: str, level: int = logging.ERROR) -> None:
        self._what = what
        self._level = level
        self._told: set[Cause] = set()

    def goes_on(self, fault: RedisFault) -> None:
        """It is not, or not yet, as it should be."""
        if fault.cause not in self._told:
            fields = {"cause": fault.cause.value, "detail": str(fault)}
            log.log(self._level, f"{self._what} fails", exc_info=fault.__cause__, extra={"fields": fields})
        self._told.add(fault.cause)

    def is_over(self) -> None:
        """All is well."""
        if self._told:
            log.info(f"{self._what} works again", extra={"fields": {"causes": sorted(self._told)}})
        self._told.clear()


_WAIT = "the operator writes it anew; look into its log if this lasts"
_WORDS: Mapping[Cause, tuple[str, str]] = {
    Cause.UNREACHABLE: ("Redis cannot be reached", f"check that it runs, {_SETTING} and the network policy"),
    Cause.TIMED_OUT: ("Redis did not answer in time", "check its load and the network"),
    Cause.TLS: ("no TLS connection to Redis", f"check its certificate, and ?ssl_ca_certs=FILE in {_SETTING}"),
    Cause.AUTHENTICATION: (
        "Redis refused the user or the password",
        f"check both in {_SETTING}; special characters in them must be percent-encoded",
    ),
    Cause.PERMISSION: ("the Redis user may not do this", "give it the rights that the reference page lists"),
    Cause.READ_ONLY: ("Redis is a read-only replica", f"let {_SETTING} name the master"),
    Cause.OUT_OF_MEMORY: ("Redis has no memory left", "raise maxmemory, or give the revocations their own Redis"),
    Cause.NO_REPLICAS: ("the Redis master has too few replicas to take writes", "bring the replicas back"),
    Cause.LOADING: ("Redis is still loading its data", "wait; it is tried again"),
    Cause.ANSWER: ("Redis answered with an error", "look into the log of Redis"),
    Cause.LOG_MISSING: ("Redis holds no revocation log", _WAIT),
    Cause.SET_DAMAGED: ("the revocations in Redis do not agree with their log", _WAIT),
    Cause.UNREADABLE: (
        "Redis holds a revocation that this version cannot read",
        "upgrade the data plane before the operator",
    ),
    Cause.INBOX_FULL: (
        "too many revocations wait for the operator",
        "see that it runs, or create a TokenRevocation",
    ),
    Cause.OPERATOR_AWAY: (
        "no operator has renewed its key in Redis",
        "look into its log; until it is back only the admin API revokes",
    ),
    Cause.UNEXPECTED: ("something unforeseen", "please report it with the traceback"),
}
