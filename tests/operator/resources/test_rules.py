"""The CEL rules stand where they belong and speak of fields that exist."""

import re

import pytest

from wsgate_operator.resources.crd import DEFINITIONS, Definition, object_schema
from wsgate_operator.resources.rules import rules_of
from wsgate_operator.resources.schema import Schema
from wsgate_operator.resources.tokenrevocation import TokenRevocationSpec


def node_at(definition: Definition, path: str) -> Schema:
    node: Schema = object_schema(definition)["properties"]["spec"]
    for part in path.split(".") if path else ():
        node = node["properties"][part.removesuffix("[]")]
        node = node["items"] if part.endswith("[]") else node
    return node


@pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda found: found.kind)
def test_a_rule_reads_only_fields_of_its_place(definition: Definition) -> None:
    for path, rules in rules_of(definition.kind).items():
        node = node_at(definition, path)
        assert len(node["x-kubernetes-validations"]) == len(rules)
        for rule in rules:
            fields = set(re.findall(r"(?:self|oldSelf)\.([a-z]\w*)\b(?!\()", rule.expression))
            assert fields <= set(node.get("properties", {})), rule


def test_every_field_but_the_expiry_is_immutable_in_a_revocation() -> None:
    immutable = {
        rule.message.split(" ")[0]
        for rules in rules_of("TokenRevocation").values()
        for rule in rules
        if "oldSelf" in rule.expression
    }
    names = {field.alias or name for name, field in TokenRevocationSpec.model_fields.items()}
    assert immutable == names - {"expiresAt"}


def test_every_message_names_a_way_out() -> None:
    for definition in DEFINITIONS:
        for rules in rules_of(definition.kind).values():
            for rule in rules:
                assert ";" in rule.message or "needs" in rule.message, rule
