"""The objects of the cluster as last seen, whatever the order in which lists and events come in.

Versions are resource versions: in one cluster they grow as integers (KEP-5504), over all objects and
lists of a kind. An object's state counts when its version is above all that is known about it: its
last state, its deletion, and the last whole list of its kind. So an event that is older than a list
changes nothing, nor does a list that is older than an event.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from wsgate_operator.resources.invalid import InvalidObject
from wsgate_operator.resources.parse import KINDS, GatewayObject, parse_object

Document = Mapping[str, Any]
Identity = tuple[str, str]
"""Kind and namespace/name."""

DELETIONS_MAX = 100_000
"""Deletions remembered between two lists; beyond it the oldest is forgotten."""
BALLAST = ("managedFields", "annotations")
"""Of the metadata: not kept."""

_log = logging.getLogger("wsgate.operator")


@dataclass(frozen=True)
class Changed:
    """Which kinds may render differently now."""

    routes: bool = False
    revocations: bool = False

    def __bool__(self) -> bool:
        return self.routes or self.revocations

    def __or__(self, other: "Changed") -> "Changed":
        return Changed(self.routes or other.routes, self.revocations or other.revocations)


@dataclass
class _Entry:
    """A living object; parsed is kept for as long as nothing that is rendered changes."""

    document: Document
    version: int | None
    parsed: GatewayObject | InvalidObject | None = None


class ObjectCache:
    """Living objects by kind and namespace/name. Not for several threads.

    `changed` is set by whatever may alter what is rendered; status, labels and BALLAST do not,
    for otherwise the operator's own status writes would keep it rendering.
    """

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self._pending = Changed()
        self._living: dict[Identity, _Entry] = {}
        self._deleted: dict[Identity, int] = {}
        self._listed: dict[str, int | None] = {}

    @property
    def is_complete(self) -> bool:
        """Whether both kinds have been listed; before, that an object is missing says nothing."""
        return self._listed.keys() >= KINDS.keys()

    def take(self) -> Changed:
        """What has changed since the last call; clears `changed`."""
        taken, self._pending = self._pending, Changed()
        self.changed.clear()
        return taken

    def note_reference(self) -> None:
        """What a route refers to has changed: the routes may render differently."""
        self._note("WsRoute")

    def put(self, document: Document) -> None:
        """An object was seen; ignored when something newer is known. Raises ValueError without identity."""
        identity, version = identity_of(document), _version_of(document)
        if self._is_old(identity, version):
            return
        self._deleted.pop(identity, None)
        self._store(identity, document, version)

    def discard(self, document: Document) -> None:
        """An object was deleted; document is its last state, as the watch tells it. Raises ValueError."""
        identity, version = identity_of(document), _version_of(document)
        entry = self._living.get(identity)
        is_this_one = entry is not None and _uid(entry.document) == _uid(document)
        # A uid never comes back. Another object of that name may have come since.
        if not is_this_one and self._is_old(identity, version):
            return
        if version is not None:
            self._remember_deletion(identity, version)
        if entry is not None:
            del self._living[identity]
            self._note(identity[0])

    def replace(self, kind: str, documents: Iterable[Document], version: str) -> frozenset[str]:
        """The whole list of a kind, and the list's own resourceVersion.

        Answers the namespace/name of what vanished without an event. What is newer than the list
        stays as it is. Raises ValueError, and changes nothing, when a document has no identity.
        """
        listed = {identity_of(document): document for document in documents}
        at, before = _integer(version), self._listed.get(kind)
        if at is not None and before is not None and at < before:
            fields = {"kind": kind, "before": before, "now": at}
            _log.warning("resource-versions-restarted", extra={"fields": fields})
        if at is None or (before is not None and at < before):
            self._forget_versions(kind)
        vanished = []
        for identity in [identity for identity in self._living if identity[0] == kind]:
            if identity not in listed and not self._is_newer(identity, at):
                del self._living[identity]
                vanished.append(identity[1])
        if vanished:
            self._note(kind)
        for identity, document in listed.items():
            if not self._is_newer(identity, at):
                self._store(identity, document, _version_of(document))
        self._listed[kind] = at
        self._forget_deletions(kind, at)
        return frozenset(vanished)

    def document(self, kind: str, key: str) -> Document | None:
        """The whole object with its status, without BALLAST; None when there is none."""
        entry = self._living.get((kind, key))
        return None if entry is None else entry.document

    def objects(self) -> tuple[GatewayObject, ...]:
        """All that can be read; each state of an object is parsed once, at the first call after it came."""
        return tuple(found for found in self._parsed().values() if not isinstance(found, InvalidObject))

    @property
    def unreadable(self) -> Mapping[Identity, str]:
        """What is there but cannot be read, and why: it must be told, and its last good version kept."""
        return {
            identity: str(found) for identity, found in self._parsed().items() if isinstance(found, InvalidObject)
        }

    def _parsed(self) -> dict[Identity, GatewayObject | InvalidObject]:
        found = {}
        for identity, entry in self._living.items():
            if entry.parsed is None:
                entry.parsed = _parse(entry.document)
            found[identity] = entry.parsed
        return found

    def _store(self, identity: Identity, document: Document, version: int | None) -> None:
        kept = without_ballast(document)
        before = self._living.get(identity)
        if before is not None and _essence(before.document) == _essence(kept):
            self._living[identity] = _Entry(kept, version, before.parsed)
            return
        self._living[identity] = _Entry(kept, version)
        self._note(identity[0])

    def _note(self, kind: str) -> None:
        self._pending |= Changed(routes=kind == "WsRoute", revocations=kind == "TokenRevocation")
        self.changed.set()

    def _is_old(self, identity: Identity, version: int | None) -> bool:
        """Whether a state of that version is known already; one without a version counts as new."""
        listed = self._listed.get(identity[0])
        return version is not None and (self._is_newer(identity, version - 1) or (listed or 0) >= version)

    def _is_newer(self, identity: Identity, than: int | None) -> bool:
        """Whether an event about the object was newer than a version."""
        entry = self._living.get(identity)
        known = self._deleted.get(identity) if entry is None else entry.version
        return known is not None and than is not None and known > than

    def _forget_versions(self, kind: str) -> None:
        """Versions went backwards, as after a restored etcd, or are no numbers: the list alone counts."""
        self._deleted = {identity: at for identity, at in self._deleted.items() if identity[0] != kind}
        for identity, entry in self._living.items():
            if identity[0] == kind:
                entry.version = None

    def _remember_deletion(self, identity: Identity, version: int) -> None:
        self._deleted.pop(identity, None)
        self._deleted[identity] = version
        if len(self._deleted) > DELETIONS_MAX:
            del self._deleted[next(iter(self._deleted))]

    def _forget_deletions(self, kind: str, listed: int | None) -> None:
        """The list says it all up to its version."""
        self._deleted = {
            identity: version
            for identity, version in self._deleted.items()
            if identity[0] != kind or listed is None or version > listed
        }


def identity_of(document: Document) -> Identity:
    """Kind and namespace/name; raises ValueError for what cannot come from an API server."""
    metadata = document.get("metadata")
    if isinstance(metadata, Mapping):
        parts = (document.get("kind"), metadata.get("namespace"), metadata.get("name"))
        if all(isinstance(part, str) and part for part in parts):
            return str(parts[0]), f"{parts[1]}/{parts[2]}"
    raise ValueError("an object without kind, metadata.namespace or metadata.name")


def _parse(document: Document) -> GatewayObject | InvalidObject:
    """Without status: what the operator wrote there earlier must not make an object unreadable."""
    wanted = {name: document[name] for name in ("apiVersion", "kind", "metadata", "spec") if name in document}
    try:
        return parse_object(wanted)
    except InvalidObject as error:
        return error


def _essence(document: Document) -> tuple[Any, ...]:
    """What rendering and conditions depend on; generation, so that a condition speaks of the newest one."""
    metadata = document["metadata"]
    names = ("uid", "generation", "creationTimestamp")
    return (document.get("apiVersion"), document.get("spec"), *(metadata.get(name) for name in names))


def without_ballast(document: Document) -> Document:
    """Without what may be larger than all the rest, and nobody reads: annotations may take 256 KiB an object."""
    metadata = {name: value for name, value in document["metadata"].items() if name not in BALLAST}
    return {**document, "metadata": metadata}


def _uid(document: Document) -> object:
    return document["metadata"].get("uid")


def _version_of(document: Document) -> int | None:
    return _integer(document["metadata"].get("resourceVersion"))


def _integer(version: object) -> int | None:
    """A resource version as a number; None for one of another make."""
    return int(version) if isinstance(version, str) and version.isascii() and version.isdigit() else None
