"""What became of one object: accepted or not, why, and the way out."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class Reason(StrEnum):
    """The reasons of the condition Accepted."""

    ACCEPTED = "Accepted"
    INVALID = "Invalid"
    CONFLICT = "Conflict"
    HOST_CLAIMED = "HostClaimed"


@dataclass(frozen=True)
class Verdict:
    """The answer to one object; warnings speak of what is accepted but has no effect yet."""

    kind: Literal["WsRoute", "TokenRevocation"]
    key: str
    reason: Reason
    message: str
    warnings: tuple[str, ...] = ()

    @property
    def accepted(self) -> bool:
        """Whether the object takes part in the result."""
        return self.reason is Reason.ACCEPTED
