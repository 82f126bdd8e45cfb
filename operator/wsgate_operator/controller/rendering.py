"""One pass: what the cluster holds becomes routes and revocations, and goes to where pods read it."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from wsgate_contract.rendered import RenderedDocument
from wsgate_contract.revocation import RevocationRecord
from wsgate_contract.revocation_log import EVENT_PREFIX, member_of
from wsgate_contract.route import Route
from wsgate_operator.controller.log_channel import LogChannel
from wsgate_operator.controller.objects import KINDS, Objects
from wsgate_operator.controller.pod_marks import PodMarks
from wsgate_operator.controller.second_channel import SecondChannel
from wsgate_operator.sinks.api_error import ApiError
from wsgate_operator.sinks.configmap import ConfigMapSink, Written
from wsgate_operator.sinks.lasting_fault import LastingFault
from wsgate_operator.sinks.packed import CapacityExceededError, StoredBytes
from wsgate_operator.sinks.rendered_text import route_items
from wsgate_operator.telemetry.metrics import Metrics
from wsgate_operator.translate.capacity import fit_routes
from wsgate_operator.translate.options import Options
from wsgate_operator.translate.translate import Translation, translate

_log = logging.getLogger("wsgate.operator")


class Rendering:
    """Translates and writes; remembers the last good version of everything."""

    def __init__(
        self,
        objects: Objects,
        options: Options,
        routes: ConfigMapSink,
        log: LogChannel | None,
        second: SecondChannel,
        marks: PodMarks,
        metrics: Metrics,
    ) -> None:
        self._objects = objects
        self._options = options
        self._routes = routes
        self._channel = log
        self._second = second
        self._marks = marks
        self._metrics = metrics
        self._members: dict[str, tuple[RevocationRecord, str]] = {}
        self._written_routes: tuple[Route, ...] = ()
        self._fault = LastingFault("routes not written to the ConfigMap")
        self._is_capacity_told = False
        self.translation = Translation()
        self.routes_version: int | None = None
        """Of the routes as written; None: not written in this life."""
        self.routes_fault = ""

    def restore(self, routes: RenderedDocument | None, revocations: RenderedDocument | None) -> None:
        """Begin with what a former life had in force: a faulty edit meanwhile is no outage."""
        found = [] if routes is None else _read(Route.from_document, routes.items)
        records = [] if revocations is None else _read(RevocationRecord.from_document, revocations.items)
        events = [record for record in records if record.id.startswith(EVENT_PREFIX)]
        of_objects = [record for record in records if not record.id.startswith(EVENT_PREFIX)]
        self.translation = Translation(tuple(found), tuple(of_objects))
        self._objects.assume("WsRoute", (route.key for route in found))
        self._objects.assume("TokenRevocation", (record.id for record in of_objects))
        if self._channel is not None:
            self._channel.restore(events)

    async def render(self) -> bool:
        """One pass; answers whether everything has been written."""
        seen = self._objects.look()
        for text in seen.news:
            _log.warning("objects-held", extra={"fields": {"detail": text}})
        for kind in KINDS:
            held = sum(1 for each, _ in seen.held if each == kind)
            self._metrics.held_objects.labels(kind).set(held)
        self.translation = translate(
            seen.objects,
            self._options,
            unreadable=seen.unreadable,
            held=seen.held,
            previous=self.translation,
        )
        # Revocations first: a route must not go live before what is revoked on it.
        is_published = await self.publish()
        are_routes_written = await self._write_routes()
        for kind in KINDS:
            for accepted in (True, False):
                verdicts = self.translation.verdicts
                count = sum(1 for each in verdicts if each.kind == kind and each.accepted is accepted)
                self._metrics.objects.labels(kind, str(accepted).lower()).set(count)
        return is_published and are_routes_written

    async def publish(self) -> bool:
        """Send the revocations of the objects and of the events to both channels."""
        log = self._channel
        is_published = log is not None and await log.publish(self._members_of(self.translation.revocations))
        self._second.want((*self.translation.revocations, *(() if log is None else log.events)))
        await self._second.step(is_alone=not is_published)
        return is_published or not self._second.fault

    @property
    def written_keys(self) -> frozenset[str]:
        """Routes that stand in the ConfigMap as they were decided."""
        written = {route.key: route for route in self._written_routes}
        return frozenset(route.key for route in self.translation.routes if written.get(route.key) is route)

    def note_restored(self, written: Written) -> None:
        """The ConfigMap was put right under a new version."""
        self.routes_version = written.version
        self._metrics.routes_version.set(written.version)
        self._marks.note("routes", str(written.version))

    async def _write_routes(self) -> bool:
        if self.routes_version is not None and _is_same(self.translation.routes, self._written_routes):
            return True
        try:
            written = await self._write_what_fits()
        except ApiError as error:
            self._fault.failed(error.fault, str(error))
            self.routes_fault = str(error)
            return False
        self._fault.succeeded()
        self.routes_fault = ""
        self._written_routes = self.translation.routes
        if written.changed or self.routes_version is None:
            fields = {"version": written.version, "routes": len(self.translation.routes)}
            _log.info("config-applied", extra={"fields": fields})
            self.note_restored(written)
        return True

    async def _write_what_fits(self) -> Written:
        try:
            written = await self._routes.write(await asyncio.to_thread(route_items, self.translation.routes))
        except CapacityExceededError as error:
            if not self._is_capacity_told:
                _log.error("routes-left-out", extra={"fields": {"detail": str(error)}})
            self._is_capacity_told = True
            self.translation = await asyncio.to_thread(fit_routes, self.translation, StoredBytes().of_routes)
            return await self._routes.write(await asyncio.to_thread(route_items, self.translation.routes))
        self._is_capacity_told = False
        return written

    def _members_of(self, records: Sequence[RevocationRecord]) -> frozenset[str]:
        """The records as members; each text is made once."""
        before = self._members
        self._members = {}
        for record in records:
            known = before.get(record.id)
            self._members[record.id] = (
                known if known is not None and known[0] is record else (record, member_of(record))
            )
        return frozenset(member for _, member in self._members.values())

    @property
    def log_ids(self) -> frozenset[str]:
        """Objects whose record stands in the log."""
        if self._channel is None or self._channel.published is None:
            return frozenset()
        members = self._channel.members
        return frozenset(id_ for id_, (_, member) in self._members.items() if member in members)


def _is_same(routes: Sequence[Route], others: Sequence[Route]) -> bool:
    """Unchanged routes are the very same objects."""
    return len(routes) == len(others) and all(a is b for a, b in zip(routes, others, strict=True))


def _read(read: Callable[[Mapping[str, Any]], Any], items: Sequence[Mapping[str, Any]]) -> list[Any]:
    """What can still be read of an earlier version; the rest is rendered anew."""
    found = []
    for item in items:
        try:
            found.append(read(item))
        except ValidationError:
            continue
    return found
