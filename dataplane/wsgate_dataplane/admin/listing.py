"""GET /admin/sessions, routes, revocations and refusals: what this process knows."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar

from aiohttp import web

from wsgate_contract.revocation import RevocationRecord
from wsgate_contract.route import Route
from wsgate_dataplane.admin.answers import AdminProblem, Fault, answer
from wsgate_dataplane.admin.parts import AdminParts
from wsgate_dataplane.admin.query import read_query
from wsgate_dataplane.registry.session import Session
from wsgate_dataplane.revocation.view import ChannelState
from wsgate_dataplane.snapshot.files import InvalidRoute
from wsgate_dataplane.telemetry.refusals import Refusal

Item = TypeVar("Item")
Document = dict[str, object]
Held = tuple[RevocationRecord, Sequence[str]]
"""A record with the names of the channels that hold it."""

SLICE_ITEMS = 500

LAST_SECOND = 253402300799
"""The end of the year 9999, after which RFC 3339 has no date; a token's exp may be later."""


class Listings:
    """Each answer is {"pod", "total", "truncated", "items"}: total counts what the filters let through."""

    def __init__(self, parts: AdminParts) -> None:
        self._parts = parts

    async def sessions(self, request: web.Request) -> web.Response:
        """Oldest first; filters sub, jti, route."""
        query = read_query(request.query, ("sub", "jti", "route"))

        def is_wanted(session: Session) -> bool:
            return (
                query.admits("sub", session.identity.subject)
                and query.admits("jti", session.identity.jti)
                and query.admits("route", session.route.key)
            )

        found = await select(self._parts.registry, is_wanted, query.limit)
        return answer(self._page(found, self._session))

    async def routes(self, request: web.Request) -> web.Response:
        """By key; filter route."""
        query = read_query(request.query, ("route",))
        catalogue = self._parts.catalogue()
        counts = Counter(session.route.key for session in self._parts.registry)
        invalid = {each.key: each for each in catalogue.invalid}
        keys = sorted({*catalogue.servings, *invalid})
        found = await select(keys, lambda key: query.admits("route", key), query.limit)

        def shown(key: str) -> Document:
            serving = catalogue.servings.get(key)
            return _route(key, serving.route if serving else None, invalid.get(key), counts[key])

        return answer({**self._page(found, shown), "version": catalogue.version})

    async def revocations(self, request: web.Request) -> web.Response:
        """In the order of the view; filters sub, jti, id."""
        query = read_query(request.query, ("sub", "jti", "id"))
        view = self._parts.view

        def is_wanted(item: Held) -> bool:
            record = item[0]
            return (
                query.admits("sub", record.subject)
                and query.admits("jti", record.jti)
                and query.admits("id", record.id)
            )

        found = await select(view.records(), is_wanted, query.limit)
        page = self._page(found, _revocation)
        page |= {
            "isStale": view.is_stale(self._parts.now(), self._parts.stale_seconds),
            "confirmedAt": _moment(view.confirmed_at),
            "channels": [_channel(each) for each in view.channels()],
        }
        return answer(page)

    async def refusals(self, request: web.Request) -> web.Response:
        """Newest first; filters requestID, sub."""
        query = read_query(request.query, ("requestID", "sub"))
        subject = query.filters.get("sub")
        if subject is not None and not self._parts.refusals.keeps_subjects:
            detail = "sub: WSGATE_LOG_IDENTITY is none, so no subject is kept with a refusal; give requestID."
            raise AdminProblem(Fault.QUERY_INVALID, detail)
        kept = self._parts.refusals.find(query.filters.get("requestID"), subject)
        return answer(self._page(Found(kept[: query.limit], len(kept)), _refusal))

    def _page(self, found: "Found[Item]", shown: Callable[[Item], Document]) -> Document:
        return {
            "pod": self._parts.pod,
            "total": found.total,
            "truncated": found.total > len(found.items),
            "items": [shown(item) for item in found.items],
        }

    def _session(self, session: Session) -> Document:
        seconds = asyncio.get_running_loop().time() - session.started_at
        identity = session.identity
        return {
            "uid": session.uid,
            "route": session.route.key,
            "address": session.arrival.address,
            "requestID": session.arrival.request_id,
            "iss": identity.issuer,
            "sub": identity.subject,
            "sid": identity.session_id,
            "jti": identity.jti,
            "startedAt": _moment(self._parts.now() - seconds),
            "seconds": round(seconds, 3),
            "expiresAt": _moment(self._parts.session_expires_at(session)),
        }


@dataclass(frozen=True)
class Found(Generic[Item]):
    """The first of the items that were asked for, and how many there are."""

    items: Sequence[Item]
    total: int


async def select(items: Iterable[Item], is_wanted: Callable[[Item], bool], limit: int) -> Found[Item]:
    """Look at all items, SLICE_ITEMS at a time, so that the sessions' traffic need not wait for the end."""
    chosen: list[Item] = []
    total = 0
    for number, item in enumerate(items, 1):
        if is_wanted(item):
            total += 1
            if total <= limit:
                chosen.append(item)
        if number % SLICE_ITEMS == 0:
            await asyncio.sleep(0)
    return Found(chosen, total)


def _route(key: str, served: Route | None, invalid: InvalidRoute | None, sessions: int) -> Document:
    detail = invalid.detail if invalid else ""
    if invalid and served:
        detail += "; its last good version is served"
    document = invalid.document if invalid else {}
    return {
        "route": key,
        "hostnames": list(served.hostnames) if served else document.get("hostnames", []),
        "prefix": served.prefix if served else document.get("prefix", ""),
        "upstreams": [target.url for target in served.targets] if served else [],
        "sessions": sessions,
        "state": "Invalid" if invalid else "Serving",
        "detail": detail,
    }


def _revocation(item: Held) -> Document:
    record, channels = item
    return {**record.to_document(), "channels": list(channels)}


def _channel(state: ChannelState) -> Document:
    return {"name": state.name, "records": state.records, "confirmedAt": _moment(state.confirmed_at)}


def _refusal(refusal: Refusal) -> Document:
    return {
        "time": _moment(refusal.time),
        "requestID": refusal.request_id,
        "reason": refusal.reason.value,
        "detail": refusal.detail,
        "advice": refusal.advice,
        "route": refusal.route,
        "path": refusal.path,
        "address": refusal.address,
        "sub": refusal.subject,
        "status": refusal.status,
    }


def _moment(seconds: float | None) -> str | None:
    """RFC 3339."""
    if seconds is None:
        return None
    moment = datetime.fromtimestamp(max(0.0, min(seconds, LAST_SECOND)), UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
