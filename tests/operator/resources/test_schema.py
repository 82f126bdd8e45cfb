"""The schema is structural: what the API server refuses is not in it."""

from collections.abc import Iterator
from typing import Any

import pytest

from wsgate_operator.resources.metadata import Resource
from wsgate_operator.resources.schema import structural_schema
from wsgate_operator.resources.tokenrevocation import TokenRevocation
from wsgate_operator.resources.wsroute import WsRoute

FORBIDDEN = {"$ref", "$defs", "anyOf", "allOf", "const", "title", "additionalProperties", "exclusiveMinimum"}


def nodes(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, field in schema.get("properties", {}).items():
        yield from nodes(field, f"{path}.{name}")
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[]")


each_kind = pytest.mark.parametrize("model", [WsRoute, TokenRevocation])


@each_kind
def test_every_node_has_a_type_and_nothing_unstructural(model: type[Resource]) -> None:
    for path, node in nodes(structural_schema(model)):
        assert "type" in node, path
        assert not FORBIDDEN & set(node), path


@each_kind
def test_every_list_and_text_is_bounded(model: type[Resource]) -> None:
    # Without a bound the API server cannot estimate the cost of a rule and refuses the definition.
    for path, node in nodes(structural_schema(model)):
        if node["type"] == "array":
            assert "maxItems" in node, path
        if node["type"] == "string" and "enum" not in node:
            assert "maxLength" in node, path


@each_kind
def test_every_field_is_described(model: type[Resource]) -> None:
    for path, node in nodes(structural_schema(model)):
        if path and not path.endswith("[]"):
            assert node.get("description", "").endswith("."), path


def test_a_default_is_stored_for_plain_values_only() -> None:
    spec = structural_schema(WsRoute)["properties"]["spec"]["properties"]
    assert spec["copySubProtocol"]["default"] is True
    assert "default" not in spec["auth"]
    assert "default" not in spec["hostnames"]
