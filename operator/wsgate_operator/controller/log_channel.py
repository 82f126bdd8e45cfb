"""The first channel of revocations: the log in Redis, its inbox and the leases of the pods."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence, Set
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Literal

from wsgate_contract.revocation import RevocationRecord
from wsgate_contract.revocation_log import LEASE_SECONDS, Keys, PodLease
from wsgate_operator.sinks.lasting_fault import LastingFault
from wsgate_operator.sinks.revocation_log.events import Events
from wsgate_operator.sinks.revocation_log.eviction import check_eviction
from wsgate_operator.sinks.revocation_log.fault import RevocationLogError
from wsgate_operator.sinks.revocation_log.inbox import Inbox, InboxBatch
from wsgate_operator.sinks.revocation_log.log import Published, RevocationLog
from wsgate_operator.sinks.revocation_log.presence import beat, read_leases
from wsgate_operator.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from redis.asyncio import Redis

_log = logging.getLogger("wsgate.operator")


class LogChannel:
    """publish() with each change, look() every VERIFY_SECONDS; neither raises. clock answers Unix seconds."""

    def __init__(
        self,
        client: "Redis",
        keys: Keys,
        clock: Callable[[], float],
        metrics: Metrics,
        on_eviction: Literal["Refuse", "Warn"],
    ) -> None:
        self._client = client
        self._keys = keys
        self._clock = clock
        self._metrics = metrics
        self._on_eviction = on_eviction
        self._writer = RevocationLog(client, keys, clock)
        self._inbox = Inbox(client, keys)
        self._turn = asyncio.Lock()
        self._fault = LastingFault("revocation-log-fault")
        self._is_checked = self._is_refused = False
        self._wanted: Set[str] = frozenset()
        self._events = Events()
        self.published: Published | None = None
        """What stands in Redis; None: unknown, or Redis is away."""
        self.members: Set[str] = frozenset()
        """What was published with it."""
        self._leases: Mapping[str, PodLease] = {}
        self._leases_until = float("-inf")

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    @property
    def leases(self) -> Mapping[str, PodLease] | None:
        """Of the pods that live, by name; None: unknown. They outlast a Redis that is away for a moment."""
        return self._leases if self._clock() < self._leases_until else None

    @property
    def events(self) -> tuple[RevocationRecord, ...]:
        """Records in force that entered at pods."""
        return self._events.records

    def restore(self, records: Sequence[RevocationRecord]) -> None:
        """Take in the events that a former life left in the second channel."""
        self._events.restore(records, self._clock())

    async def publish(self, members: Set[str]) -> bool:
        """Make the objects' members stand in the log, with the events; answers whether they do."""
        self._wanted = members
        async with self._guarded():
            await self._publish()
        return self.published is not None

    async def look(self, pods: Sequence[str] | None) -> bool:
        """Renew the operator's key, fold the inbox, verify, read the leases; answers whether the log stands.

        pods: those whose leases are wanted, None where nobody knows them.
        """
        async with self._guarded():
            await self._look(pods)
        return self.published is not None

    @asynccontextmanager
    async def _guarded(self) -> AsyncIterator[None]:
        async with self._turn:
            try:
                yield
            except RevocationLogError as error:
                self._fault.failed(error.reason, str(error))
                self.published, self._is_checked = None, False
                self._metrics.live_pods.set(0)
            else:
                if not self._is_refused:
                    self._fault.succeeded()
            self._metrics.redis_up.set(self.published is not None)

    async def _look(self, pods: Sequence[str] | None) -> None:
        if not await self._is_safe():
            return
        # First: an old master that lost its replicas answers reads, not this.
        await beat(self._client, self._keys)
        batch = await self._inbox.read()
        expired = self._events.expire(self._clock())
        if batch.length or expired or self.published is None:
            await self._publish(batch)
        else:
            self._note(await self._writer.verify())
        if pods is not None:
            self._leases = await read_leases(self._client, self._keys, pods)
            self._leases_until = self._clock() + LEASE_SECONDS
            self._metrics.live_pods.set(len(self._leases))

    async def _publish(self, batch: InboxBatch | None = None) -> None:
        if not await self._is_safe():
            return
        # Read anew after an error: what was settled before may be written or not.
        batch = batch or await self._inbox.read()
        settled = self._events.fold(batch, self._clock())
        self._metrics.inbox_records.set(batch.length - len(settled))
        self._metrics.inbox_refused.inc(len(batch.refused))
        wanted = self._wanted | self._events.members
        self._note(await self._writer.publish(wanted, settled))
        self.members = wanted

    def _note(self, published: Published) -> None:
        self._events.restore(published.events, self._clock())
        self._metrics.event_records.set(len(self._events.records))
        if published.damage is not None:
            self._metrics.redis_rewritten.labels(published.damage).inc()
        self.published = published

    async def _is_safe(self) -> bool:
        """Whether Redis keeps what it is given; asked once for each connection that was lost."""
        if self._is_checked:
            return not self._is_refused
        found = await check_eviction(self._client)
        self._is_checked = True
        self._is_refused = found.is_possible and self._on_eviction == "Refuse"
        if self._is_refused:
            self.published, self._is_checked = None, False
            self._fault.failed("Eviction", found.problem)
        elif found.problem:
            _log.warning("redis-may-evict", extra={"fields": {"detail": found.problem}})
        return not self._is_refused
