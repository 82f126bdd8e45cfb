"""Verdicts and rollouts become statuses and Events; beside the renderer, since thousands take a while."""

import asyncio
import contextlib
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from wsgate_contract.revocation import RevocationRecord
from wsgate_operator.controller.objects import Generations, generation_of, held_condition
from wsgate_operator.controller.rollouts import Leases, Rollouts
from wsgate_operator.resources.metadata import Status
from wsgate_operator.sinks.events import EventSink, News
from wsgate_operator.sinks.lasting_fault import LastingFault
from wsgate_operator.sinks.status import StatusSink, StatusUpdate
from wsgate_operator.sources.cluster.cache import Document
from wsgate_operator.telemetry.metrics import Metrics
from wsgate_operator.translate.status import revocation_status, route_status
from wsgate_operator.translate.translate import Translation
from wsgate_operator.translate.verdict import Kind, Verdict

UPDATES_AT_ONCE = 100
"""After so many others have their turn: a revocation must not wait for thousands of statuses."""
EVENTS_SECONDS = 15.0
"""Longest time for the Kubernetes Events of one pass; one call may take ten."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What has been decided, and how much of it stands where.

    generations: what the translation speaks of; an object that has changed since waits for the next one.
    written_keys: routes that stand in the ConfigMap as decided; log_ids and file_ids: records that stand in
    the log, whose newest entry is cursor, and in the ConfigMap. leases: None where no Redis tells of them.
    """

    translation: Translation
    generations: Generations
    routes_version: int | None
    written_keys: frozenset[str]
    routes_fault: str
    log_ids: frozenset[str]
    cursor: str | None
    file_ids: frozenset[str]
    revocations_fault: str
    leases: Leases | None


class Statuses:
    """One pass over all objects; writes only what differs. clock answers Unix seconds."""

    def __init__(
        self,
        sink: StatusSink,
        events: EventSink,
        document: Callable[[Kind, str], Document | None],
        clock: Callable[[], float],
        metrics: Metrics,
    ) -> None:
        self._sink = sink
        self._events = events
        self._document = document
        self._clock = clock
        self._metrics = metrics
        self._rollouts = Rollouts()
        self._fault = LastingFault("statuses not written")
        self._defect = LastingFault("statuses not made")

    async def write(self, progress: Progress) -> bool:
        """Bring every status up to date; answers whether all could be.

        An object of which no status can be made is told in the log, and keeps no other from its status.
        """
        updates: list[StatusUpdate] = []
        news: list[News] = []
        defects: list[str] = []
        make = self._maker(progress)
        for verdict, document in self._judged(progress):
            if len(updates) % UPDATES_AT_ONCE == 0:
                await asyncio.sleep(0)
            try:
                update = make(verdict, document)
                update_news = [_news(verdict, update)] if _is_news(verdict, document) else []
            except Exception:  # noqa: BLE001  # whatever one object makes of it, the others are told
                defects.append(f"{verdict.kind} {verdict.key}: {traceback.format_exc()}report this as a defect")
                continue
            updates.append(update)
            news += update_news
        applied = await self._sink.apply_all(updates)
        # Nobody waits for an Event: what cannot be told in time is left.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(EVENTS_SECONDS):
                for each in news:
                    await self._events.tell(each)
        self._metrics.events_withheld.set(self._events.withheld)
        self._tell_defects(defects)
        if not applied.failed:
            self._fault.succeeded()
            return not defects
        self._metrics.status_failures.inc(len(applied.failed))
        error = applied.failed[0].error
        self._fault.failed(error.fault, f"{len(applied.failed)} statuses: {error}")
        return False

    def _tell_defects(self, defects: Sequence[str]) -> None:
        if defects:
            self._metrics.status_failures.inc(len(defects))
            self._defect.failed("Defect", f"{len(defects)} objects, such as {defects[0]}")
        else:
            self._defect.succeeded()

    def _maker(self, progress: Progress) -> Callable[[Verdict, Document], StatusUpdate]:
        records = {record.id: record for record in progress.translation.revocations}
        served = frozenset(route.namespace for route in progress.translation.routes)

        def make(verdict: Verdict, document: Document) -> StatusUpdate:
            if verdict.kind == "WsRoute":
                return self._of_route(verdict, document, progress)
            return self._of_revocation(verdict, document, progress, records.get(verdict.key), served)

        return make

    def _judged(self, progress: Progress) -> Iterable[tuple[Verdict, Document]]:
        verdicts = progress.translation.verdicts
        self._rollouts.keep_only({(verdict.kind, verdict.key) for verdict in verdicts if verdict.accepted})
        for verdict in verdicts:
            document = self._document(verdict.kind, verdict.key)
            judged = progress.generations.get((verdict.kind, verdict.key))
            # Else an old verdict would be told of what nobody has judged yet.
            if document is None or generation_of(document) != judged:
                continue
            yield verdict, document

    def _of_route(self, verdict: Verdict, document: Document, progress: Progress) -> StatusUpdate:
        is_written = verdict.accepted and verdict.key in progress.written_keys
        rollout = self._rollouts.of_route(
            verdict.key,
            document,
            version=progress.routes_version if is_written else None,
            fault=progress.routes_fault,
            leases=progress.leases,
        )
        return _update(verdict, document, route_status(verdict, _generation(document), rollout))

    def _of_revocation(
        self,
        verdict: Verdict,
        document: Document,
        progress: Progress,
        record: RevocationRecord | None,
        served: frozenset[str],
    ) -> StatusUpdate:
        rollout = self._rollouts.of_revocation(
            verdict.key,
            document,
            cursor=progress.cursor if verdict.key in progress.log_ids else None,
            is_in_file=verdict.key in progress.file_ids,
            fault=progress.revocations_fault,
            leases=progress.leases,
        )
        status = revocation_status(
            verdict,
            _generation(document),
            rollout,
            record=record,
            served_namespaces=served,
            now=self._clock(),
        )
        return _update(verdict, document, status)


def _update(verdict: Verdict, document: Document, status: Status) -> StatusUpdate:
    namespace, _, name = verdict.key.partition("/")
    return StatusUpdate(
        kind=verdict.kind,
        namespace=namespace,
        name=name,
        uid=str(document["metadata"].get("uid", "")),
        status=status,
        held=document.get("status"),
    )


def _generation(document: Document) -> int | None:
    generation: int | None = document["metadata"].get("generation")
    return generation


def _is_news(verdict: Verdict, document: Document) -> bool:
    """Whether the verdict differs from what the object's status says: a restart is no news."""
    held = held_condition(document, "Accepted")
    is_same = held.get("status") == ("True" if verdict.accepted else "False")
    return not (is_same and (verdict.accepted or str(held.get("message", "")).startswith(verdict.message[:256])))


def _news(verdict: Verdict, update: StatusUpdate) -> News:
    return News(
        kind=verdict.kind,
        namespace=update.namespace,
        name=update.name,
        uid=update.uid,
        type="Normal" if verdict.accepted and not verdict.warnings else "Warning",
        reason=str(verdict.reason),
        action="Translate",
        note="; ".join((verdict.message, *verdict.warnings)),
    )
