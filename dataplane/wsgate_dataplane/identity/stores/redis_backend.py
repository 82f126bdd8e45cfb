"""Proofs in Redis.

Imported where JWT_CACHE_STORE is redis, and not before: the package is an extra.
"""

from collections.abc import Sequence
from typing import Any

from wsgate_dataplane.identity.stores.seal import VALUE_BYTES
from wsgate_dataplane.identity.stores.shared import Entry
from wsgate_dataplane.stores.redis_client import make_client


class RedisBackend:
    """See Backend; it needs the right to GETRANGE and SET names that begin with JWT_CACHE_PREFIX."""

    setting = "REDIS_URL"

    def __init__(self, url: str) -> None:
        """Raises ValueError, without the URL in it, for one that cannot be used."""
        self._redis = make_client(url)

    async def open(self) -> None:
        """Nothing: the library connects with the first command."""

    async def read(self, names: Sequence[str]) -> list[bytes | None]:
        """No more of each value than a good one has, and a byte: whoever may write could write any length."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.getrange(name, 0, VALUE_BYTES)
            found: list[Any] = await pipe.execute()
        # The client decodes; what was no text comes back as the bytes that it was.
        return [value.encode(errors="surrogateescape") or None for value in found]

    async def write(self, entries: Sequence[Entry]) -> None:
        """Each with its end, at which Redis removes it."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for entry in entries:
                pipe.set(entry.name, entry.value, exat=entry.expires_at)
            await pipe.execute()

    async def sweep(self) -> bool:
        """Redis does it."""
        return False

    async def close(self) -> None:
        """Close the connections; the next command makes a new one."""
        await self._redis.aclose()
