"""Where a provider's keys come from: inline text, or a URL that is fetched, cached and survives outages."""

import asyncio
import logging
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from wsgate_contract.route import Algorithm
from wsgate_dataplane.admission.wording import expected, shown
from wsgate_dataplane.identity.keys import JWKSError, Key, KeySet
from wsgate_dataplane.identity.strict_json import StrictJSONError, parse_object
from wsgate_dataplane.outcomes.refusal import Refused
from wsgate_dataplane.outcomes.table import Reason

log = logging.getLogger("wsgate")

FETCH_SECONDS_MAX = 5
DOCUMENT_BYTES_MAX = 256 * 1024
"""It is read in the event loop: a larger one would hold up every session."""
STALE_SECONDS_MAX = 3600
"""How long past their time keys are still used while the provider cannot be reached."""
UNKNOWN_KID_COOLDOWN_SECONDS = 30
"""Between refetches that a token's unknown kid asks for: anyone can invent kids."""
FAILURE_COOLDOWN_SECONDS = 5

Clock = Callable[[], float]
SessionFactory = Callable[[AbstractResolver | None], aiohttp.ClientSession]


class Reach(Protocol):
    """Where the fetches of one provider may lead."""

    async def resolve(self, host: str) -> Sequence[str]:
        """The addresses to connect to; raises Refused where there is none, OSError, UnicodeError."""


class KeySource(Protocol):
    """The keys of one provider."""

    def at_hand(self, kid: str | None, algorithm: Algorithm) -> Key | None:
        """The key, where nothing has to be waited for; None: get() has it, or tells what is wrong."""

    async def get(self, kid: str | None, algorithm: Algorithm) -> Key:
        """Raises Refused: TOKEN_KEY_UNKNOWN, KEYS_UNAVAILABLE."""


class InlineKeys:
    """Keys written into the route; raises nothing at construction, get() tells what is wrong."""

    def __init__(self, text: str) -> None:
        try:
            self._keys, self._problem = KeySet.from_json(text.encode("utf-8", "replace")), ""
        except JWKSError as error:
            self._keys, self._problem = KeySet(), f"jwks.inline: {error}"

    def at_hand(self, kid: str | None, algorithm: Algorithm) -> Key | None:
        """See KeySource."""
        return self._keys.choose(kid, algorithm)

    async def get(self, kid: str | None, algorithm: Algorithm) -> Key:
        """See KeySource."""
        if self._problem:
            raise Refused(Reason.KEYS_UNAVAILABLE, self._problem)
        return _chosen(self._keys, kid, algorithm)


@dataclass(frozen=True)
class _Held:
    keys: KeySet
    fetched_at: float


class FetchError(Exception):
    """The document could not be had; the text says why."""


class _CheckedResolver(AbstractResolver):
    """Gives aiohttp the addresses that the reach has checked, so that it connects to these very ones."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """See AbstractResolver; raises Refused too."""
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in await self._reach.resolve(host)
        ]

    async def close(self) -> None:
        """See AbstractResolver."""


def make_session(resolver: AbstractResolver | None = None) -> aiohttp.ClientSession:
    """A client without proxies from the environment, cookies and decompression; resolver None: aiohttp's own."""
    return aiohttp.ClientSession(
        connector=None if resolver is None else aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False),
        timeout=aiohttp.ClientTimeout(total=FETCH_SECONDS_MAX),
        trust_env=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        headers={"Accept": "application/jwk-set+json, application/json", "Accept-Encoding": "identity"},
    )


@dataclass(frozen=True)
class Location:
    """Where a set stands: at uri, or where the discovery document of issuer says."""

    uri: str | None
    issuer: str | None = None
    ca_bundle: str | None = None
    reach: Reach | None = None
    """None: anywhere."""

    async def fetch(self, session_factory: SessionFactory) -> KeySet:
        """Raises FetchError; a session per fetch, since fetches are minutes apart."""
        resolver = None if self.reach is None else _CheckedResolver(self.reach)
        try:
            async with session_factory(resolver) as session:
                uri = self.uri or await self._discover(session)
                return KeySet.from_json(await self._read(session, uri))
        except TimeoutError as error:
            raise FetchError(f"no answer in {FETCH_SECONDS_MAX} s") from error
        except Refused as refused:
            raise FetchError(refused.detail) from refused
        except (JWKSError, StrictJSONError) as error:
            raise FetchError(str(error)) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise FetchError(f"{type(error).__name__}: {error}") from error

    async def _discover(self, session: aiohttp.ClientSession) -> str:
        """OpenID Connect Discovery 1.0, 4; the issuer is configuration, never a token's word."""
        issuer = self.issuer or ""
        url = issuer.removesuffix("/") + "/.well-known/openid-configuration"
        document = parse_object(await self._read(session, url))
        if document.get("issuer") != issuer:
            raise FetchError(f"{url}: {expected(f'issuer {issuer!r}', document.get('issuer'))}")
        uri = document.get("jwks_uri")
        if not isinstance(uri, str) or not uri.startswith(("https://", "http://")):
            raise FetchError(f"{url}: {expected('a jwks_uri', uri)}")
        if uri.startswith("http://") and not issuer.startswith("http://"):
            raise FetchError(f"{url}: {expected('a jwks_uri over https', uri)}")
        return uri

    async def _read(self, session: aiohttp.ClientSession, url: str) -> bytes:
        parsed = URL(url)
        host = parsed.raw_host or ""
        if self.reach is not None and (":" in host or host.replace(".", "").isdigit()):
            # What looks like this to aiohttp it connects to without asking the resolver.
            await self.reach.resolve(host)
        async with session.get(parsed, ssl=self._tls, allow_redirects=False) as response:
            if response.status != 200:
                raise FetchError(f"{url}: expected status 200, found {response.status}")
            data = bytearray()
            async for chunk in response.content.iter_any():
                data += chunk
                if len(data) > DOCUMENT_BYTES_MAX:
                    raise FetchError(f"{url}: larger than {DOCUMENT_BYTES_MAX} bytes")
            return bytes(data)

    @cached_property
    def _tls(self) -> ssl.SSLContext | bool:
        if not self.ca_bundle:
            return True  # aiohttp's own context, with the system's authorities
        # ssl wants ASCII; what PEM bundles have beyond it stands in comments between certificates.
        return ssl.create_default_context(cadata=self.ca_bundle.encode("ascii", "replace").decode("ascii"))


class FetchedKeys:
    """Keys of a URL.

    Nobody waits while a key is at hand: past its time one caller fetches and the others go on with
    what they have. Without the key all wait for one and the same fetch. No task and no connection
    outlives the callers, so there is nothing to close.
    """

    def __init__(
        self,
        location: Location,
        ttl_seconds: float,
        clock: Clock = time.monotonic,
        session_factory: SessionFactory = make_session,
    ) -> None:
        self._location = location
        self._ttl_seconds = ttl_seconds
        self._clock = clock
        self._session_factory = session_factory
        self._held: _Held | None = None
        self._failure = ""
        self._flight: asyncio.Event | None = None
        """Set at the end of the fetch that is under way."""
        self._attempts = 0
        self._retry_at = float("-inf")
        self._unknown_retry_at = float("-inf")

    def at_hand(self, kid: str | None, algorithm: Algorithm) -> Key | None:
        """See KeySource."""
        held = self._held
        if held is None or self._clock() >= held.fetched_at + self._ttl_seconds:
            return None
        return held.keys.choose(kid, algorithm)

    async def get(self, kid: str | None, algorithm: Algorithm) -> Key:
        """See KeySource."""
        attempts, has_waited = self._attempts, False
        while True:
            now = self._clock()
            held = self._usable(now)
            key = held.keys.choose(kid, algorithm) if held else None
            is_fresh = held is not None and now < held.fetched_at + self._ttl_seconds
            is_done = self._attempts != attempts
            # has_waited: the one who fetched for this kid hung up, and the next in line takes over.
            is_in_time = not is_fresh or has_waited or now >= self._unknown_retry_at
            may_fetch = not is_done and now >= self._retry_at and is_in_time
            if key and (is_fresh or self._flight or not may_fetch):
                return key
            if is_done or not (self._flight or may_fetch):
                break
            if self._flight:
                await self._flight.wait()
                has_waited = True
            else:
                if is_fresh:
                    self._unknown_retry_at = now + UNKNOWN_KID_COOLDOWN_SECONDS
                await self._fetch()
        if held is None:
            raise Refused(Reason.KEYS_UNAVAILABLE, self._failure or "no keys have been fetched")
        return _chosen(held.keys, kid, algorithm)

    def _usable(self, now: float) -> _Held | None:
        held = self._held
        if held is None or now >= held.fetched_at + self._ttl_seconds + STALE_SECONDS_MAX:
            return None
        return held

    async def _fetch(self) -> None:
        """By the caller itself; raises nothing that was foreseen."""
        self._flight = flight = asyncio.Event()
        # From the start, so that an error that nobody foresaw has its cooldown too.
        self._retry_at = self._clock() + FAILURE_COOLDOWN_SECONDS
        place = {"uri": self._location.uri or self._location.issuer}
        try:
            keys = await self._location.fetch(self._session_factory)
        except asyncio.CancelledError:
            self._retry_at = float("-inf")
            raise
        except FetchError as error:
            self._attempts += 1
            self._failure = str(error)
            self._retry_at = self._clock() + FAILURE_COOLDOWN_SECONDS
            log.error("keys not fetched", extra={"fields": {**place, "error": self._failure}})
        else:
            self._attempts += 1
            self._held, self._failure, self._retry_at = _Held(keys, self._clock()), "", float("-inf")
            if keys.skipped:
                log.warning("keys left out", extra={"fields": {**place, "rules": dict(keys.skipped)}})
        finally:
            self._flight = None
            flight.set()


def _chosen(keys: KeySet, kid: str | None, algorithm: Algorithm) -> Key:
    key = keys.choose(kid, algorithm)
    if key is None:
        detail = f"expected one key of kid {shown(kid)} for {algorithm}, found {keys.summary()}"
        raise Refused(Reason.TOKEN_KEY_UNKNOWN, detail)
    return key
