"""The whole truth by LIST: every object of both kinds, or an error; never a part."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
from kubernetes.aio.client import ApiClient, CustomObjectsApi

from wsgate_operator.resources.crd import DEFINITIONS
from wsgate_operator.resources.metadata import API_VERSION, GROUP, VERSION
from wsgate_operator.sources.cluster.cache import Document, identity_of, without_ballast
from wsgate_operator.sources.cluster.fault import explain, retry_after

PAGE_OBJECTS = 50
"""An object may take 1.5 MiB, and an answer is held in memory as text and as objects at once."""
PAGES_MAX = 10_000
RESTARTS_MAX = 3
"""How often a list that expired between two pages is begun anew."""
CALL_SECONDS = 30.0

PLURALS: Mapping[str, str] = {definition.kind: definition.plural for definition in DEFINITIONS}

OnCall = Callable[[str, str], None]
"""Told of every call: verb, and status code or "unanswered"."""


class ListError(Exception):
    """No complete list; the text names the fix. What was known before still stands."""

    def __init__(self, message: str, retry_after_seconds: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


@dataclass(frozen=True)
class Listing:
    """Every object of the gateway's kinds, in all namespaces."""

    routes: tuple[Document, ...]
    revocations: tuple[Document, ...]
    versions: Mapping[str, str]
    """resourceVersion of the list by kind."""


@dataclass(frozen=True)
class ListPauses:
    """Least pause before the attempt after a failure, in seconds; doubles up to the most."""

    first_seconds: float = 1.0
    most_seconds: float = 30.0


DEFAULT_PAUSES = ListPauses()


class _ExpiredError(Exception):
    """The list changed too much between two pages."""


class Lister:
    """Lists by pages, one list at a time. Pauses after failures, so that no caller can flood the API server.

    clock answers seconds that only grow.
    """

    def __init__(
        self,
        api: ApiClient,
        *,
        on_call: OnCall | None = None,
        pauses: ListPauses = DEFAULT_PAUSES,
        call_seconds: float = CALL_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._objects = CustomObjectsApi(api)
        self._on_call = on_call
        self._pauses = pauses
        self._call_seconds = call_seconds
        self._clock = clock
        self._sleep = sleep
        self._failures = 0
        self._not_before = 0.0

    async def list_all(self) -> Listing:
        """List both kinds anew, after the pause that the last failure asked for. Raises ListError."""
        await self._sleep(max(0.0, self._not_before - self._clock()))
        try:
            revocations, revocations_version = await self._list("TokenRevocation")
            routes, routes_version = await self._list("WsRoute")
        except ListError as error:
            self._pause_after(error)
            raise
        self._failures, self._not_before = 0, 0.0
        versions = {"WsRoute": routes_version, "TokenRevocation": revocations_version}
        return Listing(routes, revocations, versions)

    def _pause_after(self, error: ListError) -> None:
        doubled = self._pauses.first_seconds * 2 ** min(self._failures, 16)
        pause = max(min(doubled, self._pauses.most_seconds), error.retry_after_seconds)
        self._failures += 1
        self._not_before = self._clock() + pause

    async def _list(self, kind: str) -> tuple[tuple[Document, ...], str]:
        for _ in range(1 + RESTARTS_MAX):
            try:
                return await self._pages(kind)
            except _ExpiredError:
                continue
        raise ListError(explain(410, "list", PLURALS[kind]))

    async def _pages(self, kind: str) -> tuple[tuple[Document, ...], str]:
        """All pages; the API server keeps them to the version of the first."""
        documents: list[Document] = []
        token, version = None, None
        for _ in range(PAGES_MAX):
            page = await self._page(kind, token)
            version = version or page.version
            documents.extend(page.documents)
            token = page.token
            if not token:
                return tuple(documents), version
        raise ListError(f"the list of {PLURALS[kind]} does not end after {PAGES_MAX} pages: see the API server")

    async def _page(self, kind: str, token: str | None) -> "_Page":
        plural = PLURALS[kind]
        status, headers, body = await self._get(plural, token)
        if status == 200:
            return _read_page(kind, body)
        if status == 410 and token is not None:
            raise _ExpiredError
        raise ListError(explain(status, "list", plural), retry_after(headers))

    async def _get(self, plural: str, token: str | None) -> tuple[int, Mapping[str, str], bytes]:
        outcome = "unanswered"
        try:
            async with asyncio.timeout(self._call_seconds):
                response = await self._objects.list_custom_object_for_all_namespaces_without_preload_content(
                    GROUP,
                    VERSION,
                    plural,
                    limit=PAGE_OBJECTS,
                    _continue=token,
                    _request_timeout=self._call_seconds,
                )
                async with response:
                    body = await response.read()
            outcome = str(response.status)
            return response.status, response.headers, body
        except TimeoutError as error:
            raise ListError(_unanswered(plural, f"no answer in {self._call_seconds:g} s")) from error
        except (aiohttp.ClientError, OSError) as error:
            raise ListError(_unanswered(plural, str(error) or type(error).__name__)) from error
        finally:
            if self._on_call is not None:
                self._on_call("list", outcome)


@dataclass(frozen=True)
class _Page:
    documents: tuple[Document, ...]
    version: str
    token: str | None


def _read_page(kind: str, body: bytes) -> _Page:
    """Parse one answer; an answer that is not a list of the kind is no proof that objects are gone."""
    try:
        document = json.loads(body)
        metadata, items = document["metadata"], document["items"]
        version, token = metadata["resourceVersion"], metadata.get("continue")
        if document["kind"] != f"{kind}List" or not isinstance(version, str) or not version:
            raise ValueError(f"not a {kind}List with a resourceVersion")
        if not isinstance(items, list) or not isinstance(token, str | None):
            raise ValueError("items is not a list, or continue not a text")
        return _Page(tuple(_item(kind, item) for item in items), version, token)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        fault = f"the answer to list {PLURALS[kind]} is not understood ({type(error).__name__}: {error})"
        raise ListError(f"{fault}: check that no proxy stands in between") from error


def _item(kind: str, item: dict[str, Any]) -> Document:
    # Lists of some API servers leave these two to the list.
    document = {"apiVersion": API_VERSION, "kind": kind, **item}
    if identity_of(document)[0] != kind:
        raise ValueError(f"an item is a {document['kind']}")
    # At once: the whole list is held before the cache takes it.
    return without_ballast(document)


def _unanswered(plural: str, fault: str) -> str:
    return f"the API server cannot be asked for {plural}: {fault}; check that it runs and can be reached"
