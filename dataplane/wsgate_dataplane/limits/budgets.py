"""The budgets of all keys that are in use, and of those that were until lately."""

import hashlib
import json
import logging
from collections.abc import Callable
from math import inf

from wsgate_dataplane.admission.failures import source_of
from wsgate_dataplane.limits.bucket import Bucket
from wsgate_dataplane.limits.meter import SessionMeter
from wsgate_dataplane.limits.rates import Rate, Rates
from wsgate_dataplane.session.deadlines import Deadlines
from wsgate_dataplane.telemetry.metrics import Metrics

log = logging.getLogger("wsgate")

IDLE_MAX = 100_000
"""Budgets without a session that are remembered, some 50 MiB; the one that is full first makes room."""

SHORT_SECONDS = 1e-4
"""Nobody comes back that soon: a handshake takes longer."""

BudgetKey = tuple[str | None, ...]
"""Route, limits, kind, and who: a subject with its issuer, or an address."""


class Budget:
    """What the sessions of one key may send together through this process."""

    __slots__ = (
        "_owner",
        "buckets",
        "bytes",
        "closes",
        "granted_at",
        "is_asking",
        "is_touched",
        "key",
        "messages",
        "sessions",
    )

    def __init__(self, owner: "Budgets", key: BudgetKey | None, rates: Rates, share: float, now: float) -> None:
        """key: None for the budget of one connection, of which there is no part anywhere else."""
        self._owner = owner
        self.key = key
        self.closes = rates.closes
        self.messages = _bucket(rates.messages, share, now)
        self.bytes = _bucket(rates.bytes, share, now)
        self.buckets = tuple([each for each in (self.messages, self.bytes) if each is not None])
        """Those that there are."""
        self.sessions = 0
        self.is_touched = False
        """Whether something was drawn since the other pods were told last."""
        self.is_asking = False
        """Whether it had too little since then."""
        self.granted_at = -inf
        """When the pods have agreed on its share, by the clock; -inf: they have not, or too long ago."""

    @property
    def is_divided(self) -> bool:
        """See Pool."""
        return any(each.share < 1.0 for each in self.buckets)

    def touch(self) -> None:
        """See Pool."""
        if not self.is_touched and self.key is not None:
            self.is_touched = True
            self._owner.touched(self)

    def ask(self, age_seconds: float) -> None:
        """See Pool."""
        self.is_asking = True
        self.touch()
        self._owner.ask(self, age_seconds)

    def left_by(self) -> None:
        """See Pool."""
        self.sessions -= 1
        if not self.sessions:
            self._owner.is_idle(self)

    def paused(self) -> None:
        """See Pool."""
        self._owner.metrics.rate_limit_pauses.inc()

    def seconds_to_full(self, now: float) -> float:
        """Until it tells nothing of the past."""
        return max([each.seconds_to_full(now) for each in self.buckets])

    def set_share(self, share: float, now: float) -> None:
        """Have another part of everything."""
        for each in self.buckets:
            each.set_share(share, now)


class Budgets:
    """Budgets by key. clock answers monotonic seconds.

    knows_addresses: whether a client's address is its own, and not that of a proxy that many come through.
    """

    def __init__(self, metrics: Metrics, clock: Callable[[], float], *, knows_addresses: bool) -> None:
        self.metrics = metrics
        self._clock = clock
        self._knows_addresses = knows_addresses
        self._has_warned = False
        self._budgets: dict[BudgetKey, Budget] = {}
        self._idle = Deadlines[BudgetKey]()
        self._touched: list[Budget] = []
        self.on_ask: Callable[[], None] | None = None
        """Called where the part of a budget here is too small; None: budgets are not shared."""
        self.is_used = True
        """Whether there is a route with a rate limit; where there is none, pods have nothing to share."""
        self.share = 1.0
        """Of a budget of which the other pods' parts are not known."""

    def __len__(self) -> int:
        return len(self._budgets)

    def open(
        self, rates: Rates, route: str, issuer: str | None, subject: str | None, address: str
    ) -> SessionMeter:
        """A new session of a route (its key) draws from the budget of its subject, else of its address.

        Where neither is known, it has one of its own.
        """
        now = self._clock()
        if self._idle:
            self._forget_idle(now)
        key = self._key(rates, route, issuer, subject, address)
        budget = None if key is None else self._budgets.get(key)
        if budget is None:
            budget = Budget(self, key, rates, 1.0 if key is None else self.share, now)
            if key is not None:
                self._budgets[key] = budget
        elif key is not None:
            self._idle.discard(key)
        budget.sessions += 1
        return SessionMeter(budget, self._clock)

    def take_touched(self) -> list[Budget]:
        """The budgets that were drawn from since the last call."""
        touched, self._touched = self._touched, []
        for budget in touched:
            budget.is_touched = False
        return touched

    def touched(self, budget: Budget) -> None:
        """Something was drawn from it for the first time since take_touched()."""
        if self.on_ask is not None:
            self._touched.append(budget)
            if budget.granted_at == -inf:
                budget.set_share(self.share, self._clock())

    def ask(self, budget: Budget, age_seconds: float) -> None:
        """Its part here is too small; see Pool.ask."""
        if self.on_ask is not None and budget.granted_at < self._clock() - age_seconds:
            self.on_ask()

    def is_idle(self, budget: Budget) -> None:
        """No session draws from it: it is kept until it is full, so that to leave and come back gains nothing."""
        if budget.key is None:
            return
        now = self._clock()
        seconds = budget.seconds_to_full(now)
        if seconds > SHORT_SECONDS:
            self._idle.set(budget.key, now + seconds)
            self._forget_idle(now)
        else:
            del self._budgets[budget.key]

    def _forget_idle(self, now: float) -> None:
        for key in self._idle.pop_due(now):
            del self._budgets[key]
        while len(self._idle) > IDLE_MAX and (due := self._idle.next_due()) is not None:
            for key in self._idle.pop_due(due):
                del self._budgets[key]

    def _key(
        self, rates: Rates, route: str, issuer: str | None, subject: str | None, address: str
    ) -> BudgetKey | None:
        if rates.key == "Subject" and subject is not None:
            return (route, rates.name, "subject", issuer, subject)
        if rates.key == "Connection":
            return None
        if self._knows_addresses:
            return (route, rates.name, "address", source_of(address))
        if not self._has_warned:
            self._has_warned = True
            detail = (
                "WSGATE_TRUSTED_PROXIES is unset, so no client's address is known: each connection that would "
                "count by it has a rate limit of its own; name the proxies' networks, or none"
            )
            log.warning("rate limits not by address", extra={"fields": {"route": route, "detail": detail}})
        return None


def shared_name(key: BudgetKey) -> str:
    """A budget's name where pods share it: the same in each, and nobody's subject or address."""
    text = json.dumps(key)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:32]


def _bucket(rate: Rate | None, share: float, now: float) -> Bucket | None:
    return None if rate is None else Bucket(rate.per_second, rate.burst, now, share)
