"""When the operator has written the revocation log: it tells the pods over Redis, and whoever else listens."""

import asyncio
import time

from redis.asyncio import Redis

from wsgate_contract.revocation_log import Keys


class WakeUps:
    """Hears the wake-ups of one gateway until stop(); moments are time.monotonic()."""

    def __init__(self, redis_url: str, gateway: str, tasks: asyncio.TaskGroup) -> None:
        self._redis_url = redis_url
        self._channel = Keys(gateway).wake
        self._came = asyncio.Event()
        self.first: float | None = None
        """The first one since forget(); None: none came."""
        self._listening = tasks.create_task(self._listen())

    def forget(self) -> None:
        """What came so far is not of interest."""
        self.first = None
        self._came.clear()

    async def next(self, seconds: float) -> float:
        """Wait for first; raises TimeoutError."""
        async with asyncio.timeout(seconds):
            await self._came.wait()
        assert self.first is not None
        return self.first

    def stop(self) -> None:
        """Listen no more."""
        self._listening.cancel()

    async def _listen(self) -> None:
        async with Redis.from_url(self._redis_url) as client, client.pubsub() as subscription:
            await subscription.subscribe(self._channel)
            async for message in subscription.listen():
                if message["type"] == "message" and self.first is None:
                    self.first = time.monotonic()
                    self._came.set()
