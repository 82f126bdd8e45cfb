"""What one session may send: its part in a budget that others may share. Pure; the clock is passed in."""

from collections.abc import Callable
from math import inf
from typing import Protocol

from wsgate_dataplane.limits.bucket import ROUNDING, Bucket

TURN_SECONDS = 0.01
"""A session that waits reserves at least the tokens of so much time, so that it is not woken more often."""
RECHECK_SECONDS = 0.1
"""Longest wait on a budget that pods share: another pod may have left more of it."""
ASK_AGAIN_SECONDS = 0.5
"""While clients wait, the other pods are asked that often."""
ASK_SECONDS = 0.1
"""How long a session that would be closed waits for what the other pods have left of its budget."""
ASK_PAUSE_SECONDS = 2.0
"""Least time between two such waits of a session: who goes on beyond the rate is closed."""
BLINK_SECONDS = 0.001
"""Least wait."""


class Pool(Protocol):
    """The budget of a key: its buckets, and whether there are others of it in other pods."""

    messages: Bucket | None
    bytes: Bucket | None
    closes: bool
    is_touched: bool
    """Whether touch() changes nothing any more."""

    @property
    def is_divided(self) -> bool:
        """Whether other pods may hold a part."""

    def touch(self) -> None:
        """Something was drawn."""

    def ask(self, age_seconds: float) -> None:
        """The part in this pod is too small: find out what the others have left, unless that is known."""

    def left_by(self) -> None:
        """A session has gone."""

    def paused(self) -> None:
        """A client is not read for a while."""


class Claim:
    """What one session draws from one bucket, and has reserved there while it waits."""

    __slots__ = ("_bucket", "_least", "_place", "_reserved")

    def __init__(self, bucket: Bucket, least: float) -> None:
        """least: what must be there for the next message to pass."""
        self._bucket = bucket
        self._least = least
        self._reserved = 0.0
        self._place = 0.0

    def left(self, now: float) -> float:
        """What may pass now."""
        free = self._bucket.free(now)
        if free < 0.0:
            free = 0.0
        if self._reserved and not self._bucket.seconds_to(self._place, now):
            return free + self._reserved
        return free

    def spend(self, amount: float, now: float) -> None:
        """So much passes."""
        if self._reserved:
            used = min(amount, self._reserved)
            self._bucket.spend_reserved(used)
            self._reserved -= used
            amount -= used
        if amount:
            self._bucket.draw(amount, now)

    def wait(self, now: float) -> float:
        """Get into the line where too little is there; the seconds until it is this session's turn."""
        bucket = self._bucket
        if self._reserved and (seconds := bucket.seconds_to(self._place, now)):
            return seconds
        if self.left(now) >= self._least:
            return 0.0
        self.settle()
        self._reserved = max(1.0, bucket.rate * TURN_SECONDS)
        self._place = bucket.reserve(self._reserved, now)
        return bucket.seconds_to(self._place, now)

    def settle(self) -> None:
        """Give back what is reserved."""
        if self._reserved:
            self._bucket.give_back(self._reserved)
            self._reserved = 0.0


class SessionMeter:
    """See relay.engine.Meter."""

    __slots__ = ("_asked_at", "_claims", "_clock", "_pool")

    def __init__(self, pool: Pool, clock: Callable[[], float]) -> None:
        self._pool = pool
        self._clock = clock
        self._claims: tuple[Claim | None, Claim | None] | None = None
        """On messages and on bytes, of a session that waits."""
        self._asked_at = -inf

    @property
    def closes(self) -> bool:
        """Whether the session ends where it exceeds the budget."""
        return self._pool.closes

    def covers(self, messages: int, size: int) -> bool:
        """Whether that much may pass now; each read asks for it."""
        if self._claims is None:
            # What was free when somebody looked last is there still, and mostly enough: no look at the clock.
            first, second = self._pool.messages, self._pool.bytes
            if (first is None or first.flowed - first.drawn >= messages) and (
                second is None or second.flowed - second.drawn >= size
            ):
                return True
        messages_left, size_left = self.left()
        return messages_left >= messages and size_left >= size

    def left(self) -> tuple[float, float]:
        """Messages and bytes that may pass now."""
        now = self._clock()
        if self._claims is None:
            first, second = self._pool.messages, self._pool.bytes
            messages = inf if first is None else max(first.free(now), 0.0)
            return messages, inf if second is None else max(second.free(now), 0.0)
        of_messages, of_bytes = self._claims
        messages = inf if of_messages is None else of_messages.left(now)
        return messages, inf if of_bytes is None else of_bytes.left(now)

    def spend(self, messages: int, size: int) -> None:
        """So much has passed; each read tells it."""
        pool, now = self._pool, self._clock()
        if self._claims is None:
            first, second = pool.messages, pool.bytes
            if first is not None:
                first.draw(messages, now)
            if second is not None:
                second.draw(size, now)
        else:
            for claim, amount in zip(self._claims, (messages, size), strict=True):
                if claim is not None:
                    claim.spend(amount, now)
        if not pool.is_touched:
            pool.touch()

    def wait(self) -> float | None:
        """When to ask again; None: the session is to end."""
        now, pool = self._clock(), self._pool
        if pool.closes:
            return self._wait_for_answer(now)
        if self._claims is None:
            of_messages = Claim(pool.messages, 1.0 - ROUNDING) if pool.messages else None
            self._claims = of_messages, Claim(pool.bytes, ROUNDING) if pool.bytes else None
            pool.paused()
        seconds = max(claim.wait(now) for claim in self._claims if claim is not None)
        if pool.is_divided:
            pool.ask(ASK_AGAIN_SECONDS)
            seconds = min(seconds, RECHECK_SECONDS)
        return now + max(seconds, BLINK_SECONDS)

    def settle(self) -> None:
        """Nothing waits any more."""
        claims, self._claims = self._claims, None
        for claim in claims or ():
            if claim is not None:
                claim.settle()

    def stop(self) -> None:
        """The session is over."""
        self.settle()
        self._pool.left_by()

    def _wait_for_answer(self, now: float) -> float | None:
        if self._pool.is_divided and now - self._asked_at >= ASK_PAUSE_SECONDS:
            self._asked_at = now
            self._pool.ask(0.0)
            return now + ASK_SECONDS
        return None
