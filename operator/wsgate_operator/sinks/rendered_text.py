"""The rendered documents as text: readable, in a fixed order, the same text for the same content."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import yaml

from wsgate_contract import rendered
from wsgate_contract.model import Value
from wsgate_contract.revocation import RevocationRecord
from wsgate_contract.route import Route
from wsgate_operator.sinks.made_once import MadeOnce


class Item(dict[str, Any]):
    """A route or a record as a JSON-shaped mapping, never changed once it is made."""

    @cached_property
    def text(self) -> str:
        """The element of the document's list; made once, since it costs far more than all the rest."""
        return yaml_text([dict(self)])


class Items:
    """Makes items; those of the very same value are kept."""

    def __init__(self) -> None:
        self._made: MadeOnce[Value, Item] = MadeOnce(item_of)

    def of_routes(self, routes: Iterable[Route]) -> list[Item]:
        """In the order given, which is that of their places: the next life of the operator goes by it."""
        return self._of((route.key, route) for route in routes)

    def of_records(self, records: Iterable[RevocationRecord]) -> list[Item]:
        """By their ids."""
        return self._of(sorted(((record.id, record) for record in records), key=lambda each: each[0]))

    def _of(self, values: Iterable[tuple[str, Value]]) -> list[Item]:
        return [item for _, item in self._made.of(values)]


def item_of(value: Value) -> Item:
    """Without what is at its default."""
    return Item(in_order(value.to_document()))


def document_text(
    content: rendered.Content,
    items: Sequence[Item],
    version: int,
    confirmed_at: float | None = None,
) -> str:
    """The whole document in ASCII; confirmed_at is in Unix seconds."""
    header = rendered.build(content, items, version, confirmed_at=confirmed_at)
    del header[content]
    elements = f"{content}:\n" + "".join(item.text for item in items) if items else f"{content}: []\n"
    return yaml_text(header) + elements


def yaml_text(value: object) -> str:
    """YAML that says the same to every reader.

    Escaped to ASCII: PyYAML writes some line separators plainly and reads them back as spaces, which
    the digest would then refuse.
    """
    text: str = yaml.dump(value, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=False)
    return text


def in_order(value: Any) -> Any:
    """A copy with its keys in order at every level."""
    if isinstance(value, Mapping):
        return {key: in_order(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [in_order(element) for element in value]
    return value
