"""Where a provider's keys come from: given inline, or fetched and kept."""

import asyncio
import logging
import ssl
import time
from collections.abc import Callable
from typing import Protocol

import aiohttp

from wsgate_dataplane.identity.keys import KeySet, KeySetError
from wsgate_dataplane.identity.signature import VerifyingKey
from wsgate_dataplane.outcomes.refusal import Refused
from wsgate_dataplane.outcomes.table import Reason

log = logging.getLogger("wsgate")

FETCH_SECONDS = 5
ANSWER_BYTES_MAX = 1_048_576
STALE_SECONDS = 3600
"""Keys that could not be refreshed are used for so long after their time."""
COOLDOWN_SECONDS = 30
"""Between fetches for an unknown kid, and after a failed fetch: a client must not steer our fetches."""


class KeySource(Protocol):
    """The keys of one provider."""

    async def key(self, kid: str | None, algorithm: str) -> VerifyingKey:
        """Raises Refused: TOKEN_KEY_UNKNOWN or KEYS_UNAVAILABLE."""


class InlineKeys:
    """Keys from the configuration; a text that is no key set has none."""

    def __init__(self, text: str) -> None:
        try:
            self._keys = KeySet.from_json(text)
        except KeySetError as error:
            log.error("inline keys not understood", extra={"fields": {"error": str(error)}})
            self._keys = KeySet((), 0)

    async def key(self, kid: str | None, algorithm: str) -> VerifyingKey:
        """See KeySource."""
        return _found(self._keys, kid, algorithm)


class FetchedKeys:
    """Keys behind a URL, fetched when asked for and kept for ttl_seconds.

    Who is served by the kept keys never waits; all who need a fetch wait for the same one.
    """

    def __init__(
        self, uri: str, ca_bundle: str | None, ttl_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._uri = uri
        self._tls = ssl.create_default_context(cadata=ca_bundle) if ca_bundle else True
        self._ttl_seconds = ttl_seconds
        self._clock = clock
        self._keys: KeySet | None = None
        self._fetched_at = float("-inf")
        self._attempted_at = float("-inf")
        self._fetch: asyncio.Future[None] | None = None

    async def key(self, kid: str | None, algorithm: str) -> VerifyingKey:
        """See KeySource."""
        age = self._clock() - self._fetched_at
        if self._keys is None or age > self._ttl_seconds:
            await self._refresh()
        if self._keys is None or self._clock() - self._fetched_at > self._ttl_seconds + STALE_SECONDS:
            raise Refused(Reason.KEYS_UNAVAILABLE, f"{self._uri} gave no key set")
        if self._keys.choose(kid, algorithm) is None:
            await self._refresh()
        return _found(self._keys, kid, algorithm)

    async def _refresh(self) -> None:
        """Fetch, or wait for the fetch under way; nothing where the last attempt is too fresh."""
        if self._fetch is not None:
            await self._fetch
            return
        if self._clock() - self._attempted_at < COOLDOWN_SECONDS:
            return
        self._attempted_at = self._clock()
        self._fetch = asyncio.get_running_loop().create_future()
        try:
            self._keys = await self._load()
            self._fetched_at = self._clock()
        except (aiohttp.ClientError, OSError, ValueError, TimeoutError) as error:
            kept = "kept keys are used" if self._keys is not None else "tokens are refused"
            fields = {"uri": self._uri, "error": str(error) or type(error).__name__, "consequence": kept}
            log.error("keys not fetched", extra={"fields": fields})
        finally:
            # Also when this handshake is cancelled: those who wait must not hang.
            self._fetch.set_result(None)
            self._fetch = None

    async def _load(self) -> KeySet:
        timeout = aiohttp.ClientTimeout(total=FETCH_SECONDS)
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=False, auto_decompress=False) as session,
            session.get(
                self._uri,
                allow_redirects=False,
                ssl=self._tls,
                headers={"Accept": "application/jwk-set+json, application/json", "Accept-Encoding": "identity"},
            ) as response,
        ):
            if response.status != 200:
                raise KeySetError(f"expected 200, found {response.status}")
            text = bytearray()
            async for chunk in response.content.iter_chunked(65_536):
                text += chunk
                if len(text) > ANSWER_BYTES_MAX:
                    raise KeySetError(f"larger than {ANSWER_BYTES_MAX} bytes")
        keys = KeySet.from_json(bytes(text))
        if keys.skipped:
            log.warning("keys skipped", extra={"fields": {"uri": self._uri, "count": keys.skipped}})
        return keys


def _found(keys: KeySet, kid: str | None, algorithm: str) -> VerifyingKey:
    key = keys.choose(kid, algorithm)
    if key is None:
        raise Refused(Reason.TOKEN_KEY_UNKNOWN, f"no one key for kid {str(kid)[:100]!r} and alg {algorithm}")
    return key
