"""A token bucket that many sessions draw from, and those that wait reserve in turn. Pure.

A bucket may be one of several, one in each pod, that make one budget together: its share says which part of
rate and burst it has. Times are seconds of a monotonic clock, amounts are messages or bytes.
"""

ROUNDING = 1e-6
"""Tokens; amounts are sums of fractions."""
UNSEEN_SECONDS = 0.001
"""What flows in within so much time may be drawn between two looks at the clock, which moves in such steps."""


class Bucket:
    """Tokens flow in at rate, up to burst; what is drawn may exceed them, and is a debt then.

    A reservation is drawn at once, and ripe when as many tokens have flowed in as had been drawn after it: so
    whoever waits gets its turn, whoever else draws.
    """

    __slots__ = (
        "_filled_at", "_given_back", "_inflow", "_seen", "_share", "_top", "burst", "drawn", "flowed", "rate",
        "reserved", "told", "unseen_end",
    )  # fmt: skip

    def __init__(self, rate: float, burst: float, now: float, share: float = 1.0) -> None:
        self.rate = rate
        """Of the whole budget, a second."""
        self.burst = burst
        """Of the whole budget."""
        self._filled_at = now
        """Up to when tokens have flowed in."""
        self.told = 0.0
        """What of all that has passed the other pods know."""
        self.reserved = 0.0
        """What is drawn and has not passed."""
        self._given_back = 0.0
        """What was drawn and never passed."""
        self.drawn = self._seen = 0.0
        """All that was drawn ever; it only grows, so that a place in the line stays one."""
        self._set_share(share)
        self.flowed = self._top
        """All that has flowed in, and what was given back."""
        self.unseen_end = min(self._inflow * UNSEEN_SECONDS, self._top)
        """What drawn may come to before somebody looks at the clock again."""

    @property
    def share(self) -> float:
        """Which part of the budget it has, above 0, at most 1."""
        return self._share

    @property
    def spent(self) -> float:
        """All that has passed."""
        return self.drawn - self.reserved - self._given_back

    def free(self, now: float) -> float:
        """What nobody has drawn; negative: a debt."""
        flowed = self.flowed + (now - self._filled_at) * self._inflow
        # As if all that was drawn unseen had been drawn now: a full bucket takes no more.
        most = self._seen + self._top
        if flowed > most:
            flowed = most
        drawn = self.drawn
        unseen_end = drawn + self._inflow * UNSEEN_SECONDS
        self.unseen_end = unseen_end if unseen_end < flowed else flowed
        self.flowed, self._filled_at, self._seen = flowed, now, drawn
        return flowed - drawn

    def spend(self, amount: float) -> None:
        """So much passes, of what was free in this moment."""
        self.drawn += amount
        self._seen += amount

    def reserve(self, amount: float) -> float:
        """Draw it for later; answers the place in the line."""
        self.reserved += amount
        self.spend(amount)
        return self.drawn

    def spend_reserved(self, amount: float) -> None:
        """So much of what was reserved passes."""
        self.reserved -= amount

    def give_back(self, amount: float) -> None:
        """So much of what was reserved is not needed."""
        self.reserved -= amount
        self._given_back += amount
        self.flowed = min(self.flowed + amount, self.drawn + self._top)

    def seconds_to(self, place: float, now: float) -> float:
        """How long until a reservation is ripe; 0: it is."""
        self.free(now)
        missing = place - self.flowed
        return missing / self._inflow if missing > ROUNDING else 0.0

    def seconds_to_full(self, now: float) -> float:
        """How long until it is as it was at the beginning."""
        missing = self._top - self.free(now)
        return missing / self._inflow if missing > 0.0 else 0.0

    def set_share(self, share: float, now: float) -> None:
        """Have another part of the budget from now on; tokens that this is too small for are lost."""
        self.free(now)
        self._set_share(share)
        self.free(now)

    def set_level(self, share: float, level: float, then: float) -> None:
        """The budget held so many tokens, of which this bucket has its share, when it told of what it spent."""
        free = share * min(level, self.burst) - (self.spent - self.told) - self.reserved
        if self._share == share == 1.0:
            # Nobody else draws: what is known here is exact, unless others have drawn meanwhile.
            now = max(then, self._filled_at)
            free = min(free + self.rate * (now - then), self.free(now))
        else:
            self._filled_at = then
        self.flowed, self._seen = self.drawn + free, self.drawn
        self._set_share(share)

    def _set_share(self, share: float) -> None:
        self._share = share
        self._inflow = self.rate * share
        # Less than one message would let none pass.
        self._top = max(1.0, self.burst * share)
        self.unseen_end = 0.0
