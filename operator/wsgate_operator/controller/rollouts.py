"""How far each object's decision has got: what is told once is kept, so that statuses do not flutter."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from wsgate_contract.revocation_log import PodLease
from wsgate_operator.controller.objects import Generation, generation_of, held_condition
from wsgate_operator.sources.cluster.cache import Document
from wsgate_operator.translate.conditions import Rollout
from wsgate_operator.translate.verdict import Kind

Leases = Mapping[str, PodLease]
"""By the pod's name, of the pods that live."""

_STREAM_ID = re.compile(r"([0-9]{1,20})-([0-9]{1,20})")


@dataclass
class _Written:
    """One generation that was written: since which version or log entry, and what pods have acknowledged."""

    generation: Generation
    version: int | None
    cursor: str
    acknowledged: int | None = None
    """How many pods did, once all of them had."""


class Rollouts:
    """Remembers for each accepted object when its generation was written, and that all pods had it.

    A generation that all pods have acknowledged stays so: a restarted pod loads it before it serves.
    """

    def __init__(self) -> None:
        self._written: dict[tuple[Kind, str], _Written] = {}

    def keep_only(self, accepted: Collection[tuple[Kind, str]]) -> None:
        """Forget all others: they are gone or not accepted any more."""
        self._written = {key: entry for key, entry in self._written.items() if key in accepted}

    def of_route(
        self, key: str, document: Document, *, version: int | None, fault: str, leases: Leases | None
    ) -> Rollout:
        """version: of the routes as written, None where this generation was not; leases: None without Redis."""
        entry = self._entry("WsRoute", key, document)
        if entry is None and version is not None:
            held = _held_version(document)
            since = held if held is not None and held <= version else version
            entry = self._keep("WsRoute", key, document, since, "")
            if held is not None and _is_true(document, "Ready"):
                entry.acknowledged = 1
        if entry is None or entry.version is None:
            return Rollout(fault=fault)
        since = entry.version
        pods = _count(entry, leases, lambda lease: lease.routes_version >= since)
        # Without the fault: it is about what came later, and would rewrite the status of every route.
        return Rollout(is_written=True, version=since, pods=pods[0], acknowledged_pods=pods[1])

    def of_revocation(
        self,
        key: str,
        document: Document,
        *,
        cursor: str | None,
        is_in_file: bool,
        fault: str,
        leases: Leases | None,
    ) -> Rollout:
        """cursor: of the log that holds it, None where none does; is_in_file: whether the ConfigMap holds it."""
        entry = self._entry("TokenRevocation", key, document)
        if entry is None and (cursor is not None or is_in_file):
            entry = self._keep("TokenRevocation", key, document, None, cursor or "")
            entry.acknowledged = _held_acknowledgement(document)
        if entry is None:
            return Rollout(fault=fault)
        # The head of a log that began anew, on a server whose clock is behind, comes before.
        if cursor is not None and (not entry.cursor or _position(cursor) < _position(entry.cursor)):
            entry.cursor = cursor
        fault, since = "" if is_in_file else fault, entry.cursor
        if not since and entry.acknowledged is None:
            return Rollout(is_written=True, fault=fault, pods=None)
        pods = _count(entry, leases, lambda lease: _position(lease.log_cursor) >= _position(since))
        return Rollout(is_written=True, fault=fault, pods=pods[0], acknowledged_pods=pods[1])

    def _entry(self, kind: Kind, key: str, document: Document) -> _Written | None:
        entry = self._written.get((kind, key))
        return entry if entry is not None and entry.generation == generation_of(document) else None

    def _keep(self, kind: Kind, key: str, document: Document, version: int | None, cursor: str) -> _Written:
        entry = self._written[kind, key] = _Written(generation_of(document), version, cursor)
        return entry


def _count(entry: _Written, leases: Leases | None, has_it: Callable[[PodLease], bool]) -> tuple[int | None, int]:
    """Live pods and how many of them have it; frozen once all have."""
    if entry.acknowledged is not None:
        return entry.acknowledged, entry.acknowledged
    if leases is None:
        return None, 0
    acknowledged = sum(1 for lease in leases.values() if has_it(lease))
    if leases and acknowledged == len(leases):
        entry.acknowledged = acknowledged
    return len(leases), acknowledged


def _held_version(document: Document) -> int | None:
    """programmedVersion of the status, if that speaks of this generation."""
    version = _current_status(document).get("programmedVersion")
    return version if isinstance(version, int) and version > 0 else None


def _held_acknowledgement(document: Document) -> int | None:
    """How many pods acknowledged it, if the status says of this generation that all did."""
    status = _current_status(document)
    pods, acknowledged = status.get("pods"), status.get("acknowledgedPods")
    is_complete = isinstance(pods, int) and pods > 0 and pods == acknowledged
    return pods if is_complete and _is_true(document, "Published") else None


def _current_status(document: Document) -> Mapping[str, Any]:
    """The status, if it speaks of this generation; else empty."""
    status: Mapping[str, Any] = document.get("status") or {}
    return status if status.get("observedGeneration") == document["metadata"].get("generation") else {}


def _is_true(document: Document, type_: str) -> bool:
    return held_condition(document, type_).get("status") == "True"


def _position(cursor: str) -> tuple[int, int]:
    """A stream id as it is ordered; what is none comes before all."""
    found = _STREAM_ID.fullmatch(cursor)
    return (-1, -1) if found is None else (int(found[1]), int(found[2]))
