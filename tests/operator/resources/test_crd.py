"""The checked-in definitions are those that the models generate."""

from pathlib import Path

import pytest
import yaml

from wsgate_operator.resources.crd import DEFINITIONS, Definition, generated_files, main, object_schema

ROOT = Path(__file__).parents[3]

each_definition = pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda found: found.kind)


@pytest.mark.parametrize("path", generated_files())
def test_a_generated_file_is_the_checked_in_one(path: str) -> None:
    assert (ROOT / path).read_text() == generated_files()[path], "run `python -m wsgate_operator.resources.crd`"


def test_the_command_writes_every_file(tmp_path: Path) -> None:
    main(tmp_path)
    written = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert written == set(generated_files())


@each_definition
def test_an_object_that_nobody_looked_at_is_pending_at_generation_zero(definition: Definition) -> None:
    default = object_schema(definition)["properties"]["status"]["default"]
    assert default["observedGeneration"] == 0
    for condition in default["conditions"]:
        assert (condition["status"], condition["reason"]) == ("Unknown", "Pending")
        assert condition["observedGeneration"] == 0


@pytest.mark.parametrize(
    ("plural", "short_name", "columns"),
    [
        ("wsroutes", "wsr", ["Hostnames", "Prefix", "Upstream", "Accepted", "Programmed", "Age"]),
        ("tokenrevocations", "trev", ["Target", "Scope", "Expires", "Published", "Age"]),
    ],
)
def test_kubectl_get_has_the_short_name_and_columns(plural: str, short_name: str, columns: list[str]) -> None:
    spec = yaml.safe_load((ROOT / f"crds/{plural}.wsgate.dev.yaml").read_text())["spec"]
    assert spec["names"]["shortNames"] == [short_name]
    assert spec["names"]["categories"] == ["wsgate"]
    (version,) = spec["versions"]
    assert [column["name"] for column in version["additionalPrinterColumns"]] == columns
    assert version["subresources"] == {"status": {}}
