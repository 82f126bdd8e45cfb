"""What follows when no channel has confirmed the view for too long, and when one does again."""

import asyncio
import logging
from collections.abc import Callable, Collection

from wsgate_dataplane.revocation.view import Channel, RevocationView
from wsgate_dataplane.telemetry.metrics import Metrics

log = logging.getLogger("wsgate")

CHECK_SECONDS = 0.25


class Freshness:
    """Fences while the view is stale; whether a new session is admitted, admission asks the view itself.

    fence is called at every check while it lasts, for sessions that were being opened when it began; unfence
    once when it is over. in_use names the channels that this process has. clock answers Unix seconds.
    """

    def __init__(
        self,
        view: RevocationView,
        stale_seconds: float,
        in_use: Collection[Channel],
        fence: Callable[[], None],
        unfence: Callable[[], None],
        metrics: Metrics,
        clock: Callable[[], float],
    ) -> None:
        self._view = view
        self._stale_seconds = stale_seconds
        self._in_use = in_use
        self._fence = fence
        self._unfence = unfence
        self._metrics = metrics
        self._clock = clock
        self._is_fenced = False

    async def watch(self) -> None:
        """One check and a pause."""
        self.check()
        await asyncio.sleep(CHECK_SECONDS)

    def check(self) -> None:
        """Act on the view as it is now."""
        now = self._clock()
        was_fenced, self._is_fenced = self._is_fenced, self._view.is_stale(now, self._stale_seconds)
        for state in self._view.channels():
            if state.name in self._in_use:
                self._metrics.revocation_channel(state.name, state.records, state.confirmed_at)
        self._metrics.revocation_fenced.set(self._is_fenced)
        if self._is_fenced:
            if not was_fenced:
                log.error("revocations stale", extra={"fields": self._ages(now)})
            self._fence()
        elif was_fenced:
            log.info("revocations confirmed again", extra={"fields": self._ages(now)})
            self._unfence()

    def _ages(self, now: float) -> dict[str, object]:
        """Seconds since each channel confirmed; None: never."""
        return {
            state.name: None if state.confirmed_at is None else round(now - state.confirmed_at, 1)
            for state in self._view.channels()
            if state.name in self._in_use
        }
