"""Pydantic's JSON schema becomes the structural schema that the API server demands."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]

_KEPT = (
    "description",
    "type",
    "format",
    "enum",
    "default",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "pattern",
    "minItems",
    "maxItems",
    "required",
)


def structural_schema(model: type[BaseModel]) -> Schema:
    """The schema of the model by its outside names: no $ref, no null, no additionalProperties."""
    generated = model.model_json_schema(by_alias=True, mode="validation")
    return _structural(generated, generated.get("$defs", {}))


def _structural(generated: Mapping[str, Any], definitions: Mapping[str, Any]) -> Schema:
    node = _resolved(generated, definitions)
    if "const" in node:
        node["enum"] = [node.pop("const")]
    schema: Schema = {key: node[key] for key in _KEPT if key in node}
    if not _is_worth_storing(schema.get("default")):
        schema.pop("default", None)
    if schema.get("type") == "integer":
        schema["format"] = "int64"
    if "properties" in node:
        schema["properties"] = {
            name: _structural(field, definitions) for name, field in node["properties"].items()
        }
    if "items" in node:
        schema["items"] = _structural(node["items"], definitions)
        schema["x-kubernetes-list-type"] = "atomic"
    return schema


def _resolved(generated: Mapping[str, Any], definitions: Mapping[str, Any]) -> Schema:
    """The node with its reference and its "or null" replaced by what they stand for."""
    node = dict(generated)
    if "$ref" in node:
        target = definitions[node.pop("$ref").rsplit("/", 1)[-1]]
        # What is said at the place of use wins over what is said at the definition.
        node = {**target, **node}
    if "anyOf" in node:
        (choice,) = (option for option in node.pop("anyOf") if option.get("type") != "null")
        node = {**_resolved(choice, definitions), **node}
    return node


def _is_worth_storing(default: object) -> bool:
    """Whether the API server shall write the default into the object.

    Not for mappings and empty lists: a stored object shall look as it was written.
    """
    return default is not None and default != [] and default != "" and not isinstance(default, Mapping)
