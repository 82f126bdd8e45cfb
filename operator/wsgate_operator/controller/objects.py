"""What the cluster holds for this gateway, and what stays in force although a listing lacks it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from wsgate_operator.resources.parse import GatewayObject
from wsgate_operator.sources.cluster.cache import Document, ObjectCache
from wsgate_operator.translate import brake
from wsgate_operator.translate.brake import Brake
from wsgate_operator.translate.verdict import Kind, Unreadable

KINDS: tuple[Kind, ...] = ("WsRoute", "TokenRevocation")
DEFAULT_GATEWAY_NAME = "wsgate"

Generation = tuple[str, int]
"""uid and generation: which state of which object."""
Generations = Mapping[tuple[Kind, str], Generation]
"""By kind and key: of which state a decision speaks, while the cache may hold a newer one."""


@dataclass(frozen=True)
class Seen:
    """One look; held: by kind and key, what has no object and stays in force; news: of the brake, by kind."""

    objects: tuple[GatewayObject, ...]
    unreadable: tuple[Unreadable, ...]
    generations: Generations
    held: frozenset[tuple[Kind, str]]
    news: Mapping[Kind, str]


@dataclass
class _Known:
    """Of one kind: what was in force at the last look, and what vanished without an event since."""

    in_force: frozenset[str] = frozenset()
    vanished: frozenset[str] = frozenset()
    brake: Brake = field(default_factory=Brake)


class Objects:
    """The cache as one gateway sees it. clock answers seconds that only grow."""

    def __init__(self, cache: ObjectCache, gateway_name: str, clock: Callable[[], float]) -> None:
        self._cache = cache
        self._gateway_name = gateway_name
        self._clock = clock
        self._known: Mapping[Kind, _Known] = {kind: _Known() for kind in KINDS}

    def assume(self, kind: Kind, keys: Iterable[str]) -> None:
        """Before the first look: what a former life had in force. What is missing then has vanished unseen."""
        known = self._known[kind]
        known.in_force = known.vanished = frozenset(keys)

    def note_vanished(self, kind: Kind, keys: Iterable[str]) -> None:
        """A listing lacks these, and no event has told of their deletion."""
        self._known[kind].vanished |= frozenset(keys)

    def look(self) -> Seen:
        """All objects of this gateway now."""
        objects = tuple(each for each in self._cache.objects() if each.spec.gateway_name == self._gateway_name)
        unreadable = tuple(self._unreadable())
        held: set[tuple[Kind, str]] = set()
        news: dict[Kind, str] = {}
        for kind, known in self._known.items():
            living = {each.key for each in objects if each.kind == kind}
            living |= {each.key for each in unreadable if each.kind == kind}
            deleted = known.in_force - living - known.vanished - known.brake.held_since.keys()
            braked = brake.apply(
                known.brake, previous=known.in_force, listed=living, deleted=deleted, now=self._clock()
            )
            known.brake, known.vanished = braked.brake, frozenset()
            known.in_force = frozenset(living) | braked.kept
            held |= {(kind, key) for key in braked.kept}
            if braked.event is not None:
                news[kind] = braked.event
        generations: dict[tuple[Kind, str], Generation] = {}
        for each in (*objects, *unreadable):
            document = self._cache.document(each.kind, each.key)
            if document is not None:
                generations[each.kind, each.key] = generation_of(document)
        return Seen(objects, unreadable, generations, frozenset(held), news)

    def document(self, kind: Kind, key: str) -> Document | None:
        """The raw object, status included."""
        return self._cache.document(kind, key)

    @property
    def release_at(self) -> float | None:
        """When the brake lets go of something; None while it holds nothing."""
        return min(
            (at for each in self._known.values() if (at := each.brake.release_at) is not None), default=None
        )

    def _unreadable(self) -> Iterable[Unreadable]:
        for (kind, key), message in self._cache.unreadable.items():
            document = self._cache.document(kind, key)
            for known in KINDS:
                if kind == known and document is not None and _gateway_of(document) == self._gateway_name:
                    yield Unreadable(known, key, message, document["metadata"].get("creationTimestamp"))


def generation_of(document: Document) -> Generation:
    """Of a raw object."""
    metadata = document["metadata"]
    return str(metadata.get("uid", "")), int(metadata.get("generation", 0))


def held_condition(document: Document, type_: str) -> Mapping[str, Any]:
    """A condition as the object's status has it; empty where it has none."""
    conditions = (document.get("status") or {}).get("conditions") or ()
    return next((each for each in conditions if each.get("type") == type_), {})


def _gateway_of(document: Mapping[str, Any]) -> object:
    spec = document.get("spec")
    return spec.get("gatewayName", DEFAULT_GATEWAY_NAME) if isinstance(spec, Mapping) else DEFAULT_GATEWAY_NAME
