"""Why the revocation log could not be read or written, and what to do about it."""

from collections.abc import Mapping
from enum import StrEnum


class Reason(StrEnum):
    """Everything that can be wrong with Redis; also a metric's label."""

    UNREACHABLE = "Unreachable"
    TIMED_OUT = "TimedOut"
    TLS = "TLS"
    AUTHENTICATION = "Authentication"
    PERMISSION = "Permission"
    READ_ONLY = "ReadOnly"
    OUT_OF_MEMORY = "OutOfMemory"
    NO_REPLICAS = "NoReplicas"
    LOADING = "Loading"
    MASTER_DOWN = "MasterDown"
    DISK = "Disk"
    CONTENDED = "Contended"
    FOREIGN = "Foreign"
    UNEXPECTED = "Unexpected"


class RevocationLogError(Exception):
    """A call failed; what it wrote is unknown, so the next one reads first.

    detail is the server's or the system's word; it never holds a secret or a record.
    """

    def __init__(self, reason: Reason, detail: str = "") -> None:
        what, fix = _WORDS[reason]
        super().__init__(f"{what}{f' ({detail})' if detail else ''}; {fix}")
        self.reason = reason


_URL = "WSGATE_REVOCATION_REDIS_URL (or REDIS_URL)"
_WORDS: Mapping[Reason, tuple[str, str]] = {
    Reason.UNREACHABLE: ("Redis cannot be reached", f"check that it runs, {_URL} and the network policy"),
    Reason.TIMED_OUT: ("Redis did not answer in time", "check its load, the network, and redis:// or rediss://"),
    Reason.TLS: (
        "no TLS connection to Redis",
        f"check the certificate's names, and in {_URL} the scheme rediss:// and ?ssl_ca_certs=FILE",
    ),
    Reason.AUTHENTICATION: (
        "Redis refused the user or the password",
        f"check both in {_URL}; special characters in them must be percent-encoded",
    ),
    Reason.PERMISSION: (
        "the Redis user may not do this",
        "give the operator's user the rights that the reference page lists",
    ),
    Reason.READ_ONLY: ("Redis is a read-only replica", f"let {_URL} name the master"),
    Reason.OUT_OF_MEMORY: (
        "Redis has no memory left",
        "raise maxmemory, or give the revocations an instance of their own",
    ),
    Reason.NO_REPLICAS: (
        "the Redis master has too few replicas to take writes",
        "bring the replicas back, or lower min-replicas-to-write",
    ),
    Reason.LOADING: ("Redis is still loading its data", "wait; it is tried again"),
    Reason.MASTER_DOWN: ("the Redis replica has lost its master", f"let {_URL} name the master"),
    Reason.DISK: ("Redis refuses writes since it cannot save to disk", "free space on the disk of Redis"),
    Reason.CONTENDED: (
        "another writer keeps changing the revocation log",
        "run one operator for each WSGATE_GATEWAY_NAME",
    ),
    Reason.FOREIGN: (
        "a key of the gateway holds something else",
        "delete that key, or give the gateway a Redis of its own",
    ),
    Reason.UNEXPECTED: ("Redis answered with an error", "look into the log of Redis"),
}
