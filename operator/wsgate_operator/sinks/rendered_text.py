"""The rendered documents as text: readable, in a fixed order, the same text for the same content."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from wsgate_contract import rendered
from wsgate_contract.revocation import RevocationRecord
from wsgate_contract.route import Route

Item = Mapping[str, Any]
"""A route or a record as a JSON-shaped mapping."""


def route_items(routes: Iterable[Route]) -> list[Item]:
    """The routes by namespace/name, without what is at its default."""
    return [in_order(route.to_document()) for route in sorted(routes, key=lambda route: route.key)]


def record_items(records: Iterable[RevocationRecord]) -> list[Item]:
    """The records by their ids, without what is at its default."""
    return [in_order(record.to_document()) for record in sorted(records, key=lambda record: record.id)]


def document_text(
    content: rendered.Content,
    items: Sequence[Item],
    version: int,
    confirmed_at: float | None = None,
) -> str:
    """The whole document in ASCII; confirmed_at is in Unix seconds."""
    return yaml_text(rendered.build(content, items, version, confirmed_at=confirmed_at))


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
