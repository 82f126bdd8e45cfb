"""The text of one file becomes objects, legacy routes, problems and notes; no I/O."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from wsgate_operator.resources.invalid import FieldError, InvalidObject, shown
from wsgate_operator.resources.legacy import LegacyRoute
from wsgate_operator.resources.parse import KINDS, GatewayObject, is_foreign, parse_legacy, parse_object
from wsgate_operator.sources.problem import Problem
from wsgate_operator.sources.yaml_documents import Document, Location, YAMLTextError, read_documents

_LIST_KINDS = frozenset({"List", *(f"{kind}List" for kind in KINDS)})


@dataclass(frozen=True)
class PlacedObject:
    """An object and the line where it begins."""

    value: GatewayObject
    file: str
    line: int

    @property
    def identity(self) -> tuple[str, str]:
        """Kind and namespace/name: what may be there once only."""
        return self.value.kind, self.value.key

    @property
    def place(self) -> str:
        """file:line."""
        return f"{self.file}:{self.line}"


@dataclass(frozen=True)
class Content:
    """What a file says; problems make it unfit, notes do not."""

    objects: tuple[PlacedObject, ...] = ()
    legacy: tuple[LegacyRoute, ...] = ()
    problems: tuple[Problem, ...] = ()
    notes: tuple[Problem, ...] = ()


def read_content(file: str, text: str, namespace: str) -> Content:
    """Read a file's text; namespace is for objects that name none. Never raises."""
    try:
        documents = read_documents(text)
    except YAMLTextError as error:
        line, column = (None, None) if error.mark is None else (error.mark.line, error.mark.column)
        return Content(problems=(Problem(file, error.message, error.fix, line, column),))
    reader = _Reader(file, namespace)
    for document in documents:
        reader.read(document)
    return Content(tuple(reader.objects), tuple(reader.legacy), tuple(reader.problems), tuple(reader.notes))


@dataclass
class _Reader:
    file: str
    namespace: str
    objects: list[PlacedObject] = field(default_factory=list)
    legacy: list[LegacyRoute] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[Problem] = field(default_factory=list)

    def read(self, document: Document) -> None:
        if isinstance(document.value, list):
            self._read_legacy(document)
            return
        for location, value in _members(document.value, ()):
            self._read_object(document, location, value)

    def _read_legacy(self, document: Document) -> None:
        try:
            self.legacy.extend(parse_legacy(document.value))
        except InvalidObject as error:
            self._report(document, (), error.errors)

    def _read_object(self, document: Document, location: Location, value: Any) -> None:
        mark = document.mark_of(location)
        line = mark.line if mark is not None else 1
        if isinstance(value, dict) and is_foreign(value):
            kind = shown(value["kind"])
            self.notes.append(Problem(self.file, f"skipped: kind {kind} is not of this gateway", line=line))
            return
        try:
            found = _with_namespace(parse_object(value), self.namespace)
        except InvalidObject as error:
            self._report(document, location, error.errors)
            return
        self.objects.append(PlacedObject(found, self.file, line))

    def _report(self, document: Document, base: Location, errors: tuple[FieldError, ...]) -> None:
        for error in errors:
            mark = document.mark_of((*base, *error.location))
            line, column = (None, None) if mark is None else (mark.line, mark.column)
            self.problems.append(Problem(self.file, error.message, error.fix, line, column, error.path))


def _members(value: Any, location: Location) -> Iterator[tuple[Location, Any]]:
    """The objects in a document: itself, or the items of a List (lists within lists are not objects)."""
    if isinstance(value, dict) and value.get("kind") in _LIST_KINDS and isinstance(value.get("items"), list):
        for index, item in enumerate(value["items"]):
            yield (*location, "items", index), item
    else:
        yield location, value


def _with_namespace(found: GatewayObject, namespace: str) -> GatewayObject:
    if found.metadata.namespace is not None:
        return found
    metadata = found.metadata.model_copy(update={"namespace": namespace})
    return found.model_copy(update={"metadata": metadata})
