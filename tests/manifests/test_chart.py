"""What of the Helm chart can be seen without Helm; e2e/test_chart.py renders and installs it."""

import json
import re
import tomllib
from typing import Any

import pytest
import yaml

from tests.manifests.objects import BASE, CHART, ROOT
from wsgate_operator.resources.legacy import LegacyRoute

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
TEMPLATES = sorted((CHART / "templates").iterdir())


def paths(value: Any, base: str = "") -> set[str]:
    """Dotted paths of all mappings' keys."""
    if not isinstance(value, dict):
        return set()
    return {path for key in value for path in ({f"{base}{key}"} | paths(value[key], f"{base}{key}."))}


def described(schema: dict[str, Any], base: str = "") -> set[str]:
    """Dotted paths that the schema names."""
    if "$ref" in schema:
        schema = SCHEMA["definitions"][schema["$ref"].rpartition("/")[2]]
    found = set()
    for name, field in schema.get("properties", {}).items():
        found |= {f"{base}{name}"} | described(field, f"{base}{name}.")
    return found


def test_the_schema_names_every_value_and_the_values_have_all_that_it_names() -> None:
    free = ("resources.", "operator.resources.")
    named = {path for path in paths(VALUES) if not path.startswith(free)}
    assert described(SCHEMA) - named == {"global"}
    assert named <= described(SCHEMA)


def test_every_mapping_of_the_schema_that_names_fields_refuses_others() -> None:
    def check(schema: dict[str, Any]) -> None:
        if "properties" in schema:
            assert schema["additionalProperties"] is False, schema
        for field in (*schema.get("properties", {}).values(), *schema.get("definitions", {}).values()):
            check(field)
        if "items" in schema:
            check(schema["items"])

    check(SCHEMA)


def test_an_entry_of_gateway_routes_has_the_fields_and_lengths_of_the_originals() -> None:
    entry = SCHEMA["properties"]["gatewayRoutes"]["items"]
    model = LegacyRoute.model_json_schema(by_alias=True)
    assert entry["properties"].keys() == model["properties"].keys()
    assert entry["required"] == model["required"]
    for name, field in entry["properties"].items():
        for bound in ("type", "minLength", "maxLength"):
            assert field.get(bound) == model["properties"][name].get(bound), (name, bound)


def test_the_chart_has_the_version_of_the_package() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert (chart["version"], chart["appVersion"]) == (version, version)


def test_every_file_of_the_base_has_its_template() -> None:
    names = {path.name for path in BASE.iterdir()} - {"kustomization.yaml"}
    assert names <= {path.name for path in TEMPLATES}


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_uses_only_values_that_there_are(path: Any) -> None:
    used = set(re.findall(r"\.Values\.([a-zA-Z]+(?:\.[a-zA-Z]+)*)", path.read_text()))
    # Below env and secrets stand whatever variables there are.
    assert {name for name in used if not name.startswith(("env.", "secrets."))} <= paths(VALUES)
