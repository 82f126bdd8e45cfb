"""The second channel of revocations: a ConfigMap, which restores a lost Redis and stands in for it."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence

from wsgate_contract.revocation import RevocationRecord
from wsgate_operator.sinks.api_error import ApiError
from wsgate_operator.sinks.configmap import ConfigMapSink, Written
from wsgate_operator.sinks.lasting_fault import LastingFault
from wsgate_operator.sinks.packed import CapacityExceededError, StoredBytes
from wsgate_operator.sinks.rendered_text import Items
from wsgate_operator.telemetry.metrics import Metrics
from wsgate_operator.translate.capacity import STORED_BYTES_MAX, fit_records, lower_limits

FOLD_SECONDS = 10.0
"""Least pause between two writes of changes while Redis carries them at once."""
ALONE_SECONDS = 1.0
"""The same while this is the only channel."""

_log = logging.getLogger("wsgate.operator")


class SecondChannel:
    """step() writes when it is time to: call it often, and at once when `changed` is set; the caller clears it.

    clock answers Unix seconds; never raises ApiError.

    on_written is told of each write: it makes the pods look at once.
    """

    def __init__(
        self,
        sink: ConfigMapSink,
        clock: Callable[[], float],
        confirm_seconds: float,
        on_written: Callable[[Written, float], None],
        metrics: Metrics,
    ) -> None:
        self._sink = sink
        self._clock = clock
        self._confirm_seconds = confirm_seconds
        self._on_written = on_written
        self._metrics = metrics
        self._turn = asyncio.Lock()
        self._fault = LastingFault("revocations not written to the ConfigMap")
        self._items = Items()
        self._records: Sequence[RevocationRecord] = ()
        # Also nothing is something to write.
        self._is_changed = True
        self.changed = asyncio.Event()
        self._tried_at = self._confirmed_at = float("-inf")
        self.standing: frozenset[str] = frozenset()
        """Ids of the records that stand there as they are wanted."""
        self.fault = ""
        """Why the latest write had no effect."""

    def want(self, records: Sequence[RevocationRecord]) -> None:
        """These shall stand there: the objects', oldest first, then the events'."""
        before = {record.id: record for record in self._records}
        if len(records) == len(before) and all(before.get(record.id) is record for record in records):
            return
        changed = {record.id for record in records if before.get(record.id) != record}
        self._records, self._is_changed = tuple(records), True
        self.standing -= changed
        self.changed.set()

    async def step(self, *, is_alone: bool) -> None:
        """Write what is due; is_alone: Redis is away or not configured."""
        async with self._turn:
            now = self._clock()
            pause = ALONE_SECONDS if is_alone else FOLD_SECONDS
            is_change_due = self._is_changed and not 0 <= now - self._tried_at < pause
            is_confirmation_due = is_alone and not 0 <= now - self._confirmed_at < self._confirm_seconds
            is_again_due = not 0 <= now - self._tried_at < ALONE_SECONDS
            if is_change_due or (is_confirmation_due and is_again_due):
                self._tried_at = now
                await self._write(now)

    async def _write(self, now: float) -> None:
        wanted = self._records
        try:
            records, written = await self._send_what_fits(wanted, now)
        except ApiError as error:
            self._fault.failed(error.fault, str(error))
            self.fault = str(error)
            return
        self._fault.succeeded()
        self._tell_left_out(len(wanted) - len(records))
        newest = {record.id: record for record in self._records}
        self.fault = ""
        self.standing = frozenset(each.id for each in records if newest.get(each.id) == each)
        self._is_changed, self._confirmed_at = self._records is not wanted, now
        self._on_written(written, now)

    async def _send_what_fits(
        self, records: Sequence[RevocationRecord], now: float
    ) -> tuple[Sequence[RevocationRecord], Written]:
        with contextlib.suppress(CapacityExceededError):
            return records, await self._send(records, now)
        stored = StoredBytes()
        for limit in lower_limits(STORED_BYTES_MAX):
            fitting = await asyncio.to_thread(fit_records, records, stored.of_records, stored.text_bytes, limit)
            with contextlib.suppress(CapacityExceededError):
                return fitting.records, await self._send(fitting.records, now)
        raise AssertionError("a document without records fits")

    async def _send(self, records: Sequence[RevocationRecord], now: float) -> Written:
        # In a thread: there may be tens of thousands.
        return await self._sink.write(await asyncio.to_thread(self._items.of_records, records), confirmed_at=now)

    def _tell_left_out(self, count: int) -> None:
        if count:
            detail = "they are in force by Redis alone; let revocations expire, or delete old ones"
            _log.error("revocations-left-out", extra={"fields": {"records": count, "detail": detail}})
        self._metrics.records_left_out.set(count)
