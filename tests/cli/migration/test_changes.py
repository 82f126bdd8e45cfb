"""What differs is told in one line each, by names that exist."""

import re

from wsgate_cli.migration.changes import ALWAYS, NO_PROVIDER, PROVIDER, SECRET_HINTS
from wsgate_cli.migration.environment import BY_OPERATOR
from wsgate_dataplane.settings import environment_names
from wsgate_operator.resources.crd import DEFINITIONS, custom_resource_definition


def test_each_change_is_one_line_with_its_subject_first() -> None:
    for line in (*ALWAYS, NO_PROVIDER, PROVIDER):
        subject, colon, text = line.partition(": ")
        assert subject and colon and text, line
        assert "\n" not in line


def test_every_variable_that_is_named_exists() -> None:
    text = " ".join((*ALWAYS, NO_PROVIDER, PROVIDER, *SECRET_HINTS))
    found = set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", text))
    assert found
    assert found <= {*environment_names(), *BY_OPERATOR}


def test_every_field_that_is_named_exists() -> None:
    schema = custom_resource_definition(DEFINITIONS[0])["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for path in re.findall(r"\bspec(?:\.[a-zA-Z]+)+", " ".join(ALWAYS)):
        node = schema
        for part in path.split("."):
            node = node["properties"][part]
