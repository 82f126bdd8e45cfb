"""One pod's channel over a real Redis, without the rest of a gateway."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from tests.dataplane.revocation.publisher import GATEWAY
from tests.support.loops import eventually
from wsgate_contract.revocation import RevocationRecord
from wsgate_contract.revocation_log import member_of
from wsgate_dataplane.revocation.redis_channel import RedisChannel, Store, connect
from wsgate_dataplane.revocation.view import RevocationView
from wsgate_dataplane.telemetry.metrics import Metrics


class Pod:
    """A channel, its view, and the records that it told of."""

    def __init__(self, store: Store) -> None:
        self.view = RevocationView()
        self.metrics = Metrics()
        self.added: list[RevocationRecord] = []
        self.routes_version = 7
        self.fails_at: int | None = None
        """How many records are told of before that fails."""
        self.channel = RedisChannel(
            store,
            self.view,
            self._note,
            lambda: self.routes_version,
            self.metrics,
            time.time,
            lambda: 0.0,
        )

    def _note(self, records: Iterable[RevocationRecord]) -> None:
        for each in records:
            if len(self.added) == self.fails_at:
                raise KeyError("a defect")
            self.added.append(each)

    @property
    def subjects(self) -> set[str | None]:
        """Whom the view bans."""
        return {record.subject for record, _ in self.view.records()}

    def channels_of(self, record: RevocationRecord) -> tuple[str, ...]:
        """Which channels hold the record."""
        found = {member_of(each): channels for each, channels in self.view.records()}
        return found.get(member_of(record), ())

    def is_confirmed_since(self, moment: float) -> bool:
        """Whether a look that began after that moment (Unix seconds) found everything whole."""
        return (self.view.confirmed_at or 0) >= moment

    def faults(self, cause: str) -> float:
        """How many looks failed for it."""
        labels = {"cause": cause}
        return self.metrics.registry.get_sample_value("wsgate_revocation_redis_faults_total", labels) or 0


@asynccontextmanager
async def following(url: str, name: str = "pod-a") -> AsyncIterator[Pod]:
    """A pod that follows until the end of the block."""
    pod = Pod(connect(url, GATEWAY, name))
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(pod.channel.run())
        try:
            yield pod
        finally:
            task.cancel()


async def confirmed_anew(pod: Pod) -> None:
    """Wait for a whole look that began after now."""
    moment = time.time()
    await eventually(lambda: pod.is_confirmed_since(moment), "a confirmation")
