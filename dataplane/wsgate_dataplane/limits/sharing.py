"""Budgets that pods share: each tells what it has used, and is granted its part of what is left.

No message waits for Redis. A pod asks for the budgets that were drawn from, once a second, or at once where its
part of one is too small. A part that is not granted anew is given up, and then, as while Redis is away, each pod
has as much as every other.
"""

import asyncio
from collections.abc import Callable, Sequence
from math import inf, nan
from typing import NamedTuple, Protocol

from wsgate_dataplane.limits.bucket import Bucket
from wsgate_dataplane.limits.budgets import Budget, Budgets, shared_name
from wsgate_dataplane.settings import SettingsError
from wsgate_dataplane.stores.fault import Cause, Outage, RedisFault
from wsgate_dataplane.telemetry.metrics import Metrics

RENEW_SECONDS = 1.0
"""Between two calls for what is drawn from."""
GATHER_SECONDS = 0.02
"""Least time between two calls: asks that come meanwhile go together."""
PRESENCE_SECONDS = 5.0
"""Between two calls where nothing is drawn from: they keep the pod counted."""
RETRY_SECONDS = 1.0
"""Pause after a fault; half of it more or less, so that pods do not return in one blow."""
GRANT_SECONDS = 2.5
"""How long a part counts here; Redis keeps it for longer, so that parts never add up to more than the whole."""
PAGE = 100
"""Buckets in one call; Redis takes some milliseconds for them."""


class Ask(NamedTuple):
    """One bucket, as a pod tells of it."""

    name: str
    rate: float
    burst: float
    used: float
    """Since it told last."""
    wanted: float
    """A second."""


class Grant(NamedTuple):
    """A pod's part of one bucket."""

    share: float
    level: float
    """What the whole budget holds."""


class Answer(NamedTuple):
    """What the pods have agreed on."""

    pods: int
    grants: Sequence[Grant]
    """One for each ask, in their order."""


class Store(Protocol):
    """The commands; see RedisShares."""

    async def share(self, asks: Sequence[Ask]) -> Answer: ...
    async def close(self) -> None: ...


def connect(url: str, gateway: str, pod: str) -> Store:
    """The store behind REDIS_URL; raises SettingsError that names the package or the form, never the URL."""
    try:
        # Here and not above: without a URL the package redis need not be installed.
        from wsgate_dataplane.limits.redis_shares import RedisShares
    except ImportError as error:
        raise SettingsError(["REDIS_URL: needs the package redis; install wsgate[dataplane]"]) from error
    try:
        return RedisShares(url, gateway, pod)
    except ValueError as error:
        raise SettingsError([f"REDIS_URL: {error}"]) from None


class Sharing:
    """Keeps this pod's parts of the budgets; run() must run. clock: the budgets'; random: floats in [0, 1)."""

    def __init__(
        self,
        store: Store,
        budgets: Budgets,
        metrics: Metrics,
        clock: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        self._store = store
        self._budgets = budgets
        self._metrics = metrics
        self._clock = clock
        self._random = random
        self._is_asked = asyncio.Event()
        budgets.on_ask = self._is_asked.set
        self._granted: dict[Budget, float] = {}
        """Until when, by the clock."""
        self._called_at = -inf
        self._outage = Outage("sharing of rate limits")
        metrics.rate_limit_pods.set(nan)

    async def run(self) -> None:
        """Follow until cancelled."""
        try:
            while True:
                if await self._renew():
                    await self._wait()
                else:
                    await asyncio.sleep(RETRY_SECONDS * (0.5 + self._random()))
        finally:
            await self._store.close()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(RENEW_SECONDS):
                await self._is_asked.wait()
        except TimeoutError:
            return
        await asyncio.sleep(GATHER_SECONDS)

    async def _renew(self) -> bool:
        """Ask for everything that was drawn from; whether Redis has answered."""
        self._is_asked.clear()
        self._give_up_old()
        now, touched = self._clock(), self._budgets.take_touched()
        seconds = now - self._called_at
        if not touched and (seconds < PRESENCE_SECONDS or not self._budgets.is_used):
            return True
        asked = [
            (budget, bucket, _ask(budget, bucket, seconds)) for budget in touched for bucket in budget.buckets
        ]
        for budget in touched:
            budget.is_asking = False
        try:
            # Without any it still says that this pod is there.
            for start in range(0, max(1, len(asked)), PAGE):
                await self._share(asked[start : start + PAGE])
        except RedisFault as fault:
            return self._failed(fault)
        except Exception as error:  # noqa: BLE001  # whatever is wrong here, each pod goes on with an equal part
            unexpected = RedisFault(Cause.UNEXPECTED, type(error).__name__)
            unexpected.__cause__ = error
            return self._failed(unexpected)
        self._called_at = now
        self._outage.is_over()
        return True

    def _failed(self, fault: RedisFault) -> bool:
        self._metrics.rate_limit_redis_faults.labels(fault.cause).inc()
        self._metrics.rate_limit_pods.set(0)
        self._outage.goes_on(fault)
        return False

    async def _share(self, page: Sequence[tuple[Budget, Bucket, Ask]]) -> None:
        then, spent = self._clock(), [bucket.told + ask.used for _, bucket, ask in page]
        answer = await self._store.share([ask for *_, ask in page])
        self._budgets.share = 1.0 / max(1, answer.pods)
        self._metrics.rate_limit_pods.set(answer.pods)
        for (budget, bucket, _), told, grant in zip(page, spent, answer.grants, strict=True):
            bucket.told = told
            bucket.set_level(grant.share, grant.level, then)
            budget.granted_at = then
            self._granted[budget] = then + GRANT_SECONDS

    def _give_up_old(self) -> None:
        now = self._clock()
        for budget, until in tuple(self._granted.items()):
            if until <= now:
                del self._granted[budget]
                budget.granted_at = -inf
                budget.set_share(self._budgets.share, now)


def _ask(budget: Budget, bucket: Bucket, seconds: float) -> Ask:
    """seconds: since the last call."""
    used = bucket.spent - bucket.told
    # Who waits would take all there is.
    is_short = bucket.reserved > 0 or budget.is_asking
    wanted = bucket.rate if is_short else min(bucket.rate, used / max(seconds, GATHER_SECONDS))
    kind = "messages" if bucket is budget.messages else "bytes"
    assert budget.key is not None, "the budget of one connection is not shared"
    return Ask(f"{shared_name(budget.key)}:{kind}", bucket.rate, bucket.burst, used, wanted)
