"""What a route lets each of its clients send, with the environment's values filled in. Pure."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from wsgate_contract.route import RateLimit

Key = Literal["Subject", "IP", "Connection"]


@dataclass(frozen=True)
class Rate:
    """A lasting rate a second, and what may come at once after a pause."""

    per_second: float
    burst: float


@dataclass(frozen=True)
class Rates:
    """The limits of one budget, and what happens beyond them; at least one of the two rates is there."""

    messages: Rate | None
    bytes: Rate | None
    """On the wire; its burst is one second's worth."""
    key: Key = "Subject"
    """Who shares a budget."""
    closes: bool = False
    """Whether a session that exceeds it ends; else its client is read slower."""

    @cached_property
    def name(self) -> str:
        """The same for the same limits, in every process."""
        return repr(self)


def rates_of(limit: RateLimit | None, per_second: int | None, burst: int | None) -> Rates | None:
    """A route's limits; per_second and burst are the environment's, for a route that gives no rate of messages."""
    environment = _rate(per_second, burst)
    if limit is None:
        return None if environment is None else Rates(environment, None)
    messages = _rate(limit.messages_per_second, limit.burst) or environment
    return Rates(messages, _rate(limit.bytes_per_second, None), limit.key, limit.on_exceed == "Close")


def _rate(per_second: int | None, burst: int | None) -> Rate | None:
    return None if per_second is None else Rate(per_second, burst or per_second)
