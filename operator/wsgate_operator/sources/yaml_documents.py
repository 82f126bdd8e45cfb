"""YAML text becomes JSON-shaped documents that know their lines, or an error with line and column."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

DEPTH_MAX = 64
NODES_MAX = 500_000
"""Aliases count each time they are used, which bounds what a few lines can expand to."""

Location = tuple[str | int, ...]


@dataclass(frozen=True)
class Mark:
    """A place in the text, counted from 1."""

    line: int
    column: int


class YAMLTextError(Exception):
    """The text is not YAML that we read."""

    def __init__(self, message: str, fix: str, mark: Mark | None = None) -> None:
        super().__init__(message)
        self.message, self.fix, self.mark = message, fix, mark


@dataclass(frozen=True)
class Document:
    """One document; marks hold the place of each field by its location."""

    value: Any
    marks: Mapping[Location, Mark]

    def mark_of(self, location: Location) -> Mark | None:
        """The place of the field, or of the nearest parent that is there."""
        for length in range(len(location), -1, -1):
            if location[:length] in self.marks:
                return self.marks[location[:length]]
        return None


class _Loader(yaml.CSafeLoader):
    """Without timestamps: dates stay the text that was written, as the API server sees them."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}

_COLLECTION_TAGS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("map", "seq"))
INTEGER_MAX = 2**63 - 1
"""What a field of the API can hold; Python does not even print the largest that YAML can write."""
_SCALAR_TAGS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str"))
_MERGE_TAG = "tag:yaml.org,2002:merge"


def read_documents(text: str) -> tuple[Document, ...]:
    """All non-empty documents of the text; raises YAMLTextError."""
    try:
        _refuse_depth(text)
        loader = _Loader(text)
        try:
            documents = []
            while loader.check_node() and (root := loader.get_node()) is not None:
                builder = _Builder(loader)
                documents.append(Document(builder.build(root, ()), builder.marks))
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = None if error.problem_mark is None else _mark(error.problem_mark)
        fix = "check indentation, quotes and brackets on this line and above"
        raise YAMLTextError(error.problem or "not YAML", fix, mark) from error
    except yaml.YAMLError as error:
        reason = str(error).splitlines()[0]
        raise YAMLTextError(f"not YAML: {reason}", "remove control characters; save as UTF-8") from error
    return tuple(document for document in documents if document.value is not None)


def _refuse_depth(text: str) -> None:
    # Before composing: the composer recurses in C, where deep nesting ends the process.
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEPTH_MAX:
                message = f"nested more than {DEPTH_MAX} levels deep"
                raise YAMLTextError(message, "flatten it", _mark(event.start_mark))
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


class _Builder:
    """Nodes of one document to values, with marks; refuses duplicate keys and foreign tags."""

    def __init__(self, loader: _Loader) -> None:
        self._loader = loader
        self._nodes_left = NODES_MAX
        self._open: set[int] = set()
        self.marks: dict[Location, Mark] = {}

    def build(self, node: yaml.Node, location: Location) -> Any:
        """The value of the node at a location of its document."""
        self.marks.setdefault(location, _mark(node.start_mark))
        self._nodes_left -= 1
        if self._nodes_left < 0:
            raise YAMLTextError(f"more than {NODES_MAX} values", "split the file", _mark(node.start_mark))
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if node.tag not in _COLLECTION_TAGS:
            raise YAMLTextError(f"tag {node.tag} is not read", "remove it", _mark(node.start_mark))
        if id(node) in self._open or len(self._open) > DEPTH_MAX:
            raise YAMLTextError("an alias leads into itself", "write it out", _mark(node.start_mark))
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, location)
            return [self.build(child, (*location, index)) for index, child in enumerate(node.value)]
        finally:
            self._open.remove(id(node))

    def _mapping(self, node: yaml.MappingNode, location: Location) -> dict[str, Any]:
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE_TAG:
                merged = {**self._merge(value_node, location), **merged}
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                raise YAMLTextError("a key must be text", "quote it", _mark(key_node.start_mark))
            key = str(key_node.value)
            if key in own:
                first = self.marks[(*location, key)].line
                message = f'key "{key}" is there twice, first on line {first}'
                raise YAMLTextError(message, "keep one of them", _mark(key_node.start_mark))
            self.marks[(*location, key)] = _mark(key_node.start_mark)
            own[key] = self.build(value_node, (*location, key))
        return {**merged, **own}

    def _merge(self, node: yaml.Node, location: Location) -> dict[str, Any]:
        """What `<<` brings in; the mapping's own keys win over it, and earlier sources over later."""
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        result: dict[str, Any] = {}
        for source in sources:
            value = self.build(source, (*location, "<<"))
            if not isinstance(value, dict):
                raise YAMLTextError("<< needs a mapping", "name an anchor of one", _mark(source.start_mark))
            result = {**value, **result}
        return result

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        if node.tag not in _SCALAR_TAGS:
            raise YAMLTextError(f"tag {node.tag} is not read", "remove it", _mark(node.start_mark))
        try:
            value = self._loader.construct_object(node)
            if isinstance(value, int) and abs(value) > INTEGER_MAX:
                raise ValueError("no field holds such a number")
            return value
        except (ValueError, KeyError, IndexError) as error:
            message = f'"{str(node.value)[:40]}" is not a value of its kind'
            raise YAMLTextError(message, "put it in quotes", _mark(node.start_mark)) from error


def _mark(mark: Any) -> Mark:
    return Mark(mark.line + 1, mark.column + 1)
