"""A token bucket that many sessions draw from, and those that wait reserve in turn. Pure.

A bucket may be one of several, one in each pod, that make one budget together: its share says which part of
rate and burst it has. Times are seconds of a monotonic clock, amounts are messages or bytes.
"""

ROUNDING = 1e-6
"""Tokens; amounts are sums of fractions."""


class Bucket:
    """Tokens flow in at rate, up to burst; what is drawn may exceed them, and is a debt then.

    A reservation is drawn at once, and ripe when as many tokens have flowed in as had been drawn after it: so
    whoever waits gets its turn, whoever else draws.
    """

    __slots__ = (
        "_filled_at", "_given_back", "_inflow", "_share", "_top", "burst", "drawn", "flowed", "rate", "reserved",
        "told",
    )  # fmt: skip

    def __init__(self, rate: float, burst: float, now: float, share: float = 1.0) -> None:
        self.rate = rate
        """Of the whole budget, a second."""
        self.burst = burst
        """Of the whole budget."""
        self._set_share(share)
        self._filled_at = now
        """Up to when tokens have flowed in."""
        self.told = 0.0
        """What of all that has passed the other pods know."""
        self.reserved = 0.0
        """What is drawn and has not passed."""
        self._given_back = 0.0
        """What was drawn and never passed."""
        self.drawn = 0.0
        """All that was drawn ever; it only grows, so that a place in the line stays one."""
        self.flowed = self._top
        """All that has flowed in, and what was given back: at least flowed - drawn is free."""

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
        self.draw(0.0, now)
        return self.flowed - self.drawn

    def draw(self, amount: float, now: float) -> None:
        """So much passes."""
        drawn = self.drawn
        flowed = self.flowed + (now - self._filled_at) * self._inflow
        most = drawn + self._top
        self.flowed = flowed if flowed < most else most
        self._filled_at = now
        self.drawn = drawn + amount

    def reserve(self, amount: float, now: float) -> float:
        """Draw it for later; answers the place in the line."""
        self.draw(amount, now)
        self.reserved += amount
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
        self.draw(0.0, now)
        self._set_share(share)
        self.draw(0.0, now)

    def set_level(self, share: float, level: float, then: float) -> None:
        """The budget held so many tokens, of which this bucket has its share, when it told of what it spent."""
        free = share * min(level, self.burst) - (self.spent - self.told) - self.reserved
        if self._share == share == 1.0:
            # Nobody else draws: what is known here is exact, unless others have drawn meanwhile.
            now = max(then, self._filled_at)
            self.draw(0.0, now)
            self.flowed = min(self.flowed, self.drawn + free + self.rate * (now - then))
        else:
            self.flowed, self._filled_at = self.drawn + free, then
        self._set_share(share)

    def _set_share(self, share: float) -> None:
        self._share = share
        self._inflow = self.rate * share
        """Tokens a second."""
        # Less than one message would let none pass.
        self._top = max(1.0, self.burst * share)
        """What may be free at most."""
