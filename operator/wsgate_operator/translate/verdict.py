"""What became of one object: accepted or not, why, and the way out."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Kind = Literal["WsRoute", "TokenRevocation"]


class VerdictReason(StrEnum):
    """Why an object is, or is not, in force as it stands."""

    ACCEPTED = "Accepted"
    INVALID = "Invalid"
    REF_NOT_PERMITTED = "RefNotPermitted"
    INVALID_CERTIFICATE_REF = "InvalidCertificateRef"
    CONFLICT = "Conflict"
    HOST_CLAIMED = "HostClaimed"
    CAPACITY_EXCEEDED = "CapacityExceeded"


@dataclass(frozen=True)
class RefFault:
    """Why what a reference names cannot be used, with the way out."""

    reason: VerdictReason
    message: str


@dataclass(frozen=True)
class Verdict:
    """The answer to one object.

    warnings speak of what is accepted but has no effect yet; forbidden says which destination is not
    permitted, and unresolved which Secret cannot be used, also where another fault gave the reason. An object
    that is not readable was not judged.
    """

    kind: Kind
    key: str
    reason: VerdictReason
    message: str
    warnings: tuple[str, ...] = ()
    forbidden: str | None = None
    unresolved: RefFault | None = None
    is_readable: bool = True

    @property
    def accepted(self) -> bool:
        """Whether the object takes part in the result."""
        return self.reason is VerdictReason.ACCEPTED

    @property
    def is_faulty(self) -> bool:
        """Whether the object itself is at fault, not the room that others left it."""
        return self.reason in _FAULTS


_FAULTS = frozenset(
    {VerdictReason.INVALID, VerdictReason.REF_NOT_PERMITTED, VerdictReason.INVALID_CERTIFICATE_REF}
)


@dataclass(frozen=True)
class Unreadable:
    """An object that is there but cannot be parsed; message says why, created is its RFC 3339 creation time."""

    kind: Kind
    key: str
    message: str
    created: str | None = None
