"""Every request that kopf makes passes here: it gets credentials, a pace, and is told about."""

import asyncio
import itertools
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import aiohttp
import yarl
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse
from kubernetes.aio.client import ApiClient

from wsgate_operator.resources.metadata import GROUP, VERSION
from wsgate_operator.sources.cluster.fault import explain, retry_after

_OBJECTS_PATH = f"/apis/{GROUP}/{VERSION}/"

_FOR_KOPF = (200, 410)
"""It understands these: a list or a stream, and that it must list anew."""

_log = logging.getLogger("wsgate.operator")


@dataclass(frozen=True)
class Call:
    """What a request is for."""

    verb: str
    """list, watch, or get for discovery."""

    resource: str
    """The plural of the objects; "discovery" for what kopf asks before it lists."""

    is_first_page: bool = False

    @classmethod
    def of(cls, url: yarl.URL) -> Self:
        """Read it off the address."""
        _, found, plural = url.path.rpartition(_OBJECTS_PATH)
        if not found or not plural:
            return cls("get", "discovery")
        if url.query.get("watch") == "true":
            return cls("watch", plural)
        return cls("list", plural, is_first_page="continue" not in url.query)


@dataclass(frozen=True)
class Fault:
    """Why a call does not succeed at the moment."""

    outcome: str
    """Status code, or "unanswered"; another one is worth another line of log."""

    detail: str


@dataclass(frozen=True)
class TrafficNews:
    """Whom to tell; called in the thread of the traffic."""

    on_call: Callable[[Call, str], None]
    """Every call with its status code, or "unanswered"."""

    on_listed: Callable[[str], None]
    """A list of that plural begins to arrive."""

    on_watching: Callable[[str], None]
    """A watch of that plural stands."""


class Traffic:
    """A client middleware of aiohttp; logs a fault once while it lasts, and its end.

    A refused call is repeated here, with growing pauses, until it succeeds or its time is over: kopf
    would end for good after some, and after a 401 it closes the connections of all others.
    """

    def __init__(
        self,
        api: ApiClient,
        news: TrafficNews,
        faults: dict[Call, Fault],
        *,
        retry_seconds: tuple[float, ...],
        rewatch_seconds: float,
    ) -> None:
        """Faults holds what does not work at the moment, and outlives this object."""
        self._api = api
        self._news = news
        self._faults = faults
        self._retry_seconds = retry_seconds
        self._rewatch_seconds = rewatch_seconds
        self._watched_at: dict[str, float] = {}
        self.is_ending = False
        """Then a call that is broken off is no fault."""

    @property
    def server(self) -> str:
        """Where the API server is."""
        return str(self._api.configuration.host)

    def open_session(self) -> aiohttp.ClientSession:
        """A session that trusts and is trusted as the client of kubernetes is."""
        connector = aiohttp.TCPConnector(limit=0, ssl=self._api.rest_client.ssl_context)
        proxy = self._api.rest_client.proxy
        return aiohttp.ClientSession(connector=connector, proxy=proxy, trust_env=True, middlewares=(self,))

    async def __call__(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        """Send the request, as aiohttp asks of a middleware."""
        call = Call.of(request.url)
        await self._pace(call)
        for attempt in itertools.count():
            response = await self._send(call, request, handler)
            self._tell(call, response.status)
            if response.status in _FOR_KOPF or (call.verb == "get" and response.status == 404):
                break
            response.release()
            pause = self._retry_seconds[min(attempt, len(self._retry_seconds) - 1)]
            await asyncio.sleep(max(pause, retry_after(response.headers)))
        return response

    async def _send(self, call: Call, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        # For each request: the token of a service account is replaced while a session lives.
        for header in (await self._api.configuration.auth_settings()).values():
            request.headers[header["key"]] = header["value"] or ""
        outcome = "unanswered"
        try:
            response = await handler(request)
            outcome = str(response.status)
        except (aiohttp.ClientError, OSError, asyncio.CancelledError) as error:
            if not self.is_ending:
                reason = str(error) or "no answer in time, see its load and the network"
                self._tell_fault(call, outcome, f"the API server does not answer: {reason}")
            raise
        finally:
            self._news.on_call(call, outcome)
        return response

    async def _pace(self, call: Call) -> None:
        """kopf renews a watch that ended at once and without a pause, for ever."""
        if call.verb == "watch":
            now = asyncio.get_running_loop().time()
            earliest = self._watched_at.get(call.resource, now - self._rewatch_seconds) + self._rewatch_seconds
            self._watched_at[call.resource] = max(now, earliest)
            await asyncio.sleep(max(0.0, earliest - now))

    def _tell(self, call: Call, status: int) -> None:
        if status != 200:
            self._tell_fault(call, str(status), explain(status, call.verb, call.resource))
            return
        if self._faults.pop(call, None) is not None:
            _log.info("watch-fault-over", extra={"fields": {"verb": call.verb, "resource": call.resource}})
        if call.is_first_page:
            self._news.on_listed(call.resource)
        if call.verb == "watch":
            self._news.on_watching(call.resource)

    def _tell_fault(self, call: Call, outcome: str, detail: str) -> None:
        before, self._faults[call] = self._faults.get(call), Fault(outcome, detail)
        if before is None or before.outcome != outcome:
            fields = {"verb": call.verb, "resource": call.resource, "detail": detail}
            _log.warning("watch-fault", extra={"fields": fields})
