"""The status of custom resources, by server-side apply and only where it changes."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from wsgate_operator.resources.crd import DEFINITIONS, PENDING_SINCE
from wsgate_operator.resources.metadata import API_VERSION, GROUP, VERSION, Status
from wsgate_operator.sinks.api_calls import ApiCalls, Document, Target
from wsgate_operator.sinks.api_error import ApiError, Fault
from wsgate_operator.sinks.recent import Recent

FIELD_MANAGER = "wsgate-operator"
CONCURRENT_CALLS = 8
GIVE_UP_AFTER = 8
"""Faults of the API server in a row, or one wish for a pause: the objects that are left would meet the same."""
WRITES_MAX = 20_000
"""Remembered until the cache shows them; without, a late cache would cost a call more."""


@dataclass(frozen=True)
class StatusUpdate:
    """What the status of one object should be, and the raw status that the cache has (None: none).

    The sink gives the conditions their times.
    """

    kind: Literal["WsRoute", "TokenRevocation"]
    namespace: str
    name: str
    uid: str
    status: Status
    held: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Failed:
    """An update that had no effect; the next pass tries it again."""

    update: StatusUpdate
    error: ApiError


@dataclass(frozen=True)
class Applied:
    """The outcome of many updates."""

    written: int
    failed: tuple[Failed, ...]


@dataclass(frozen=True)
class _Told:
    """What was written to an object, and what the cache held then."""

    status: Document
    held: Document


class StatusSink:
    """Writes the status that differs. clock answers Unix seconds."""

    def __init__(self, calls: ApiCalls, clock: Callable[[], float], field_manager: str = FIELD_MANAGER) -> None:
        self._calls = calls
        self._clock = clock
        self._field_manager = field_manager
        self._told: Recent[str, _Told] = Recent(WRITES_MAX)

    async def apply(self, update: StatusUpdate) -> bool:
        """Write it if it differs; answers whether something was written. Raises ApiError.

        An object that is gone is no error. One that was made anew under its name is a Fault.CONFLICT: it
        has got the old one's status, until the cache shows it and the next pass corrects that.
        """
        told = self._told.get(update.uid)
        held = update.held or {}
        before = held if told is None else told.status
        status = self._timed(update.status, before)
        if _parts(status) == _parts(held):
            self._told.forget(update.uid)
            return False
        if told is not None and told.status == status and told.held == _parts(held):
            # The cache is as old as before that write, or others hold fields that stay whatever is applied.
            return False
        target = _target(update)
        try:
            answer = await self._calls.apply(target, _body(update, status), self._field_manager)
        except ApiError as error:
            if error.fault is Fault.NOT_FOUND:
                return False
            raise
        # The API server compares no uid when it applies a status.
        if answer["metadata"]["uid"] != update.uid:
            raise ApiError(Fault.CONFLICT, f"patch {target}", "the object was deleted and made anew")
        self._told.put(update.uid, _Told(status, _parts(held)))
        return True

    async def apply_all(self, updates: Iterable[StatusUpdate], concurrency: int = CONCURRENT_CALLS) -> Applied:
        """Apply them all, several at a time; where the API server itself fails, the rest is left."""
        batch = _Batch(iter(updates))
        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(self._work_off(batch))
        return Applied(batch.written, tuple(batch.failed))

    async def _work_off(self, batch: "_Batch") -> None:
        for update in batch.updates:
            if batch.given_up is not None:
                batch.failed.append(Failed(update, batch.given_up))
                continue
            try:
                is_written = await self.apply(update)
                if not is_written:
                    # Else thousands that are up to date already would hold up everything else.
                    await asyncio.sleep(0)
                batch.written += is_written
                batch.server_faults = 0
            except ApiError as error:
                batch.note(Failed(update, error))

    def _timed(self, status: Status, before: Mapping[str, Any]) -> Document:
        """The status as JSON; a condition keeps its time for as long as its status stays."""
        since = {
            (each.get("type"), each.get("status")): each.get("lastTransitionTime")
            for each in before.get("conditions") or ()
            # The schema's default has no time worth keeping.
            if each.get("lastTransitionTime") != PENDING_SINCE
        }
        conditions = [
            {**each.to_document(), "lastTransitionTime": since.get((each.type, each.status)) or self._now()}
            for each in status.conditions
        ]
        return {**status.to_document(), "conditions": conditions}

    def _now(self) -> str:
        return datetime.fromtimestamp(self._clock(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class _Batch:
    """What the workers of one apply_all share."""

    updates: Iterator[StatusUpdate]
    written: int = 0
    failed: list[Failed] = field(default_factory=list)
    server_faults: int = 0
    given_up: ApiError | None = None

    def note(self, failed: Failed) -> None:
        self.failed.append(failed)
        fault = failed.error.fault
        self.server_faults += fault.is_of_the_server
        if self.server_faults >= GIVE_UP_AFTER or fault is Fault.THROTTLED:
            self.given_up = failed.error


def _parts(status: Mapping[str, Any]) -> Document:
    """For comparing: the order of the conditions does not count."""
    conditions = {each.get("type"): each for each in status.get("conditions") or ()}
    return {**status, "conditions": conditions}


def _target(update: StatusUpdate) -> Target:
    plurals = {definition.kind: definition.plural for definition in DEFINITIONS}
    return Target(GROUP, VERSION, plurals[update.kind], update.namespace, update.name, "status")


def _body(update: StatusUpdate, status: Document) -> Document:
    return {
        "apiVersion": API_VERSION,
        "kind": update.kind,
        "metadata": {"name": update.name, "namespace": update.namespace},
        "status": status,
    }
