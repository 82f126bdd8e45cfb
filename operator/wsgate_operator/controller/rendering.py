"""One pass: what the cluster holds becomes routes and revocations, and goes to where pods read it."""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from wsgate_contract.rendered import RenderedDocument
from wsgate_contract.revocation import RevocationRecord
from wsgate_contract.revocation_log import EVENT_PREFIX, member_of
from wsgate_contract.route import Route
from wsgate_operator.controller.certificates import Certificates
from wsgate_operator.controller.log_channel import LogChannel
from wsgate_operator.controller.objects import KINDS, Generations, Objects, Seen
from wsgate_operator.controller.pod_marks import PodMarks
from wsgate_operator.controller.second_channel import SecondChannel
from wsgate_operator.sinks.api_error import ApiError
from wsgate_operator.sinks.configmap import ConfigMapSink, Written
from wsgate_operator.sinks.lasting_fault import LastingFault
from wsgate_operator.sinks.made_once import MadeOnce
from wsgate_operator.sinks.packed import CapacityExceededError, StoredBytes
from wsgate_operator.sinks.rendered_text import Items
from wsgate_operator.telemetry.metrics import Metrics
from wsgate_operator.translate.capacity import STORED_BYTES_MAX, fit_routes, leave_out, lower_limits
from wsgate_operator.translate.holdings import refs_of
from wsgate_operator.translate.options import Options
from wsgate_operator.translate.translate import Translation, translate
from wsgate_operator.translate.verdict import Kind

_log = logging.getLogger("wsgate.operator")


@dataclass(frozen=True)
class Decision:
    """What was decided, and of which states of the objects it speaks."""

    translation: Translation
    generations: Generations = field(default_factory=dict)


class Rendering:
    """decide() and write() may run at the same time: a slow API server must not hold up a revocation.

    Both remember the last good version of everything; neither raises an error of the API server or of Redis.
    """

    def __init__(
        self,
        objects: Objects,
        options: Options,
        routes: ConfigMapSink,
        log: LogChannel | None,
        second: SecondChannel,
        marks: PodMarks,
        certificates: Certificates,
        metrics: Metrics,
    ) -> None:
        self._objects = objects
        self._options = options
        self._routes = routes
        self._channel = log
        self._second = second
        self._marks = marks
        self._certificates = certificates
        self._metrics = metrics
        self._decided = self._tried = Decision(Translation())
        self._records: Sequence[RevocationRecord] = ()
        self._orphans: tuple[RevocationRecord, ...] = ()
        self._texts = MadeOnce(member_of)
        self._members: list[tuple[str, str]] = []
        """Id and text of each object's record."""
        self._offered: tuple[Route, ...] | None = None
        self._left_out: frozenset[str] = frozenset()
        """Keys of the routes that did not fit when those that are offered were written."""
        self._items = Items()
        self._written_routes: tuple[Route, ...] = ()
        self._fault = LastingFault("routes not written to the ConfigMap")
        self._is_capacity_told = False
        self.routes_version: int | None = None
        """Of the routes as written; None: not written in this life."""
        self.routes_fault = ""
        self.held_news: dict[Kind, str] = {}
        """Of the brake, by kind; whoever tells it takes it away."""

    def restore(self, routes: RenderedDocument | None, revocations: RenderedDocument | None) -> None:
        """Begin with what a former life had in force: a faulty edit meanwhile is no outage."""
        found = [] if routes is None else _read(Route.from_document, routes.items)
        records = [] if revocations is None else _read(RevocationRecord.from_document, revocations.items)
        events = [record for record in records if record.id.startswith(EVENT_PREFIX)]
        of_objects = [record for record in records if not record.id.startswith(EVENT_PREFIX)]
        self._decided = Decision(Translation(tuple(found), tuple(of_objects)))
        self._objects.assume("WsRoute", (route.key for route in found))
        self._objects.assume("TokenRevocation", (record.id for record in of_objects))
        if self._channel is None:
            # Of a life that had Redis; they end by their own expiry.
            self._orphans = tuple(events)
        else:
            self._channel.restore(events)

    async def decide(self) -> bool:
        """Translate what is there, and publish the revocations; True."""
        seen = self._objects.look()
        self._tell_held(seen)
        translation = translate(
            seen.objects,
            self._options,
            unreadable=seen.unreadable,
            held=seen.held,
            certificates=self._certificates.states,
            previous=self._decided.translation,
        )
        self._certificates.want(refs_of(seen.objects, translation.routes))
        self._records = translation.revocations
        # Before Redis, which may take its time to say that it is away.
        self.want_records()
        self._members = self._texts.of((record.id, record) for record in translation.revocations)
        if self._channel is not None:
            await self._channel.publish(frozenset(member for _, member in self._members))
            self.want_records()
        self._decided = Decision(translation, seen.generations)
        return True

    def want_records(self) -> None:
        """Tell the second channel of all there is: the objects' records, and the events that were folded."""
        events = self._orphans if self._channel is None else self._channel.events
        self._second.want((*self._records, *events))

    @property
    def is_alone(self) -> bool:
        """Whether the second channel is the only one."""
        return self._channel is None or self._channel.published is None

    async def write(self) -> bool:
        """Write the routes as they were decided last; answers whether they stand in the ConfigMap."""
        decision = self._decided
        if self.is_alone:
            # Revocations first: a route must not go live before what is revoked on it.
            await self._second.step(is_alone=True)
        is_written = await self._write_routes(decision)
        if self._decided is decision:
            self._decided = self._tried
        self._count_verdicts()
        return is_written

    @property
    def told(self) -> Decision:
        """What statuses speak of: the latest of the revocations, and the routes that were tried to write last."""
        routes, latest = self._tried.translation, self._decided.translation
        verdicts = [each for each in routes.verdicts if each.kind == "WsRoute"]
        verdicts += [each for each in latest.verdicts if each.kind == "TokenRevocation"]
        generations = {key: each for key, each in self._tried.generations.items() if key[0] == "WsRoute"}
        generations |= {key: each for key, each in self._decided.generations.items() if key[0] != "WsRoute"}
        return Decision(Translation(routes.routes, latest.revocations, tuple(verdicts)), generations)

    @property
    def written_keys(self) -> frozenset[str]:
        """Routes that stand in the ConfigMap as they were decided."""
        written = {route.key: route for route in self._written_routes}
        routes = self._tried.translation.routes
        return frozenset(route.key for route in routes if written.get(route.key) is route)

    def note_restored(self, written: Written) -> None:
        """The ConfigMap was put right under a new version."""
        self.routes_version = written.version
        self._metrics.routes_version.set(written.version)
        self._marks.note("routes", str(written.version))

    async def _write_routes(self, decision: Decision) -> bool:
        routes = decision.translation.routes
        if self._offered is None or not _is_same(routes, self._offered):
            # Until it is written: after a fault the ConfigMap may hold this one or that one.
            self._offered, self._left_out = None, frozenset()
            try:
                written = await self._write_what_fits(decision.translation)
            except ApiError as error:
                self._fault.failed(error.fault, str(error))
                self.routes_fault = str(error)
            else:
                self._offered = routes
                self._note_written(written, len(routes) - len(self._left_out))
        self._tried = replace(decision, translation=leave_out(decision.translation, self._left_out))
        if self._offered is None:
            return False
        self._written_routes = self._tried.translation.routes
        return True

    async def _write_what_fits(self, translation: Translation) -> Written:
        try:
            written = await self._routes.write(await asyncio.to_thread(self._items.of_routes, translation.routes))
        except CapacityExceededError as error:
            if not self._is_capacity_told:
                _log.error("routes-left-out", extra={"fields": {"detail": str(error)}})
            self._is_capacity_told = True
        else:
            self._is_capacity_told = False
            return written
        stored = StoredBytes()
        for limit in lower_limits(STORED_BYTES_MAX):
            fitting = (await asyncio.to_thread(self._fit, translation, stored, limit)).routes
            self._left_out = frozenset(each.key for each in translation.routes) - {each.key for each in fitting}
            with contextlib.suppress(CapacityExceededError):
                return await self._routes.write(await asyncio.to_thread(self._items.of_routes, fitting))
        raise AssertionError("a document without routes fits")

    def _fit(self, translation: Translation, stored: StoredBytes, limit: int) -> Translation:
        root = self._options.root_namespace
        return fit_routes(translation, stored.of_routes, stored.text_bytes, root, limit)

    def _note_written(self, written: Written, routes: int) -> None:
        self._fault.succeeded()
        self.routes_fault = ""
        if written.changed or self.routes_version is None:
            _log.info("config-applied", extra={"fields": {"version": written.version, "routes": routes}})
            self.note_restored(written)

    def _tell_held(self, seen: Seen) -> None:
        for kind, text in seen.news.items():
            _log.warning("objects-held", extra={"fields": {"kind": kind, "detail": text}})
        self.held_news |= seen.news
        for kind in KINDS:
            held = sum(1 for each, _ in seen.held if each == kind)
            self._metrics.held_objects.labels(kind).set(held)

    def _count_verdicts(self) -> None:
        counts = Counter((each.kind, each.accepted) for each in self.told.translation.verdicts)
        for kind in KINDS:
            for accepted in (True, False):
                self._metrics.objects.labels(kind, str(accepted).lower()).set(counts[kind, accepted])

    @property
    def log_ids(self) -> frozenset[str]:
        """Objects whose record stands in the log."""
        if self._channel is None or self._channel.published is None:
            return frozenset()
        members = self._channel.members
        return frozenset(id_ for id_, member in self._members if member in members)


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
