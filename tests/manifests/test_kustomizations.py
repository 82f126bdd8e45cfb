"""Every manifest is read, belongs to a kustomization, and stands in the one namespace."""

from pathlib import Path

import pytest

from tests.manifests.objects import BASE, CHART, MANIFESTS, ROOT, TRIAL_REDIS, documents, kustomization, objects

FOLDERS = sorted(
    path.parent for path in [*MANIFESTS.rglob("kustomization.yaml"), ROOT / "crds/kustomization.yaml"]
)
OF_NO_NAMESPACE = {"Namespace", "CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding"}


def named_files(folder: Path) -> list[Path]:
    """The files and folders that a kustomization names."""
    content = kustomization(folder)
    generators = [*content.get("secretGenerator", []), *content.get("configMapGenerator", [])]
    return [
        (folder / name).resolve()
        for name in (
            *content.get("resources", []),
            *content.get("components", []),
            *(patch["path"] for patch in content.get("patches", [])),
            *(name.rpartition("=")[2] for generator in generators for name in generator.get("files", [])),
        )
    ]


@pytest.mark.parametrize(
    "path",
    # A chart's files are templates and values.
    sorted(path for path in MANIFESTS.rglob("*.yaml") if not path.is_relative_to(CHART)),
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_every_manifest_holds_only_objects_with_a_kind(path: Path) -> None:
    found = documents(path)
    assert found
    assert all(document["apiVersion"] and document["kind"] for document in found)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_kustomization_names_what_there_is(folder: Path) -> None:
    assert [str(path) for path in named_files(folder) if not path.exists()] == []


def test_no_manifest_is_left_out_of_its_kustomization() -> None:
    named = {path for folder in FOLDERS for path in named_files(folder)}
    written = {
        path.resolve()
        for folder in FOLDERS
        for path in folder.iterdir()
        if path.is_file() and path.name not in ("kustomization.yaml", "README.md")
    }
    assert written <= named


def test_both_definitions_come_with_the_base() -> None:
    names = {o["metadata"]["name"] for o in objects(BASE) if o["kind"] == "CustomResourceDefinition"}
    assert names == {path.stem for path in (ROOT / "crds").glob("*.wsgate.dev.yaml")}
    assert len(names) == 2


@pytest.mark.parametrize("folder", [BASE, TRIAL_REDIS], ids=lambda path: path.name)
def test_every_object_stands_in_the_gateways_namespace(folder: Path) -> None:
    strays = [
        f"{o['kind']} {o['metadata']['name']}"
        for o in objects(folder)
        if (o["kind"] not in OF_NO_NAMESPACE) != (o["metadata"].get("namespace") == "wsgate-system")
    ]
    assert strays == []


def test_no_two_objects_share_kind_and_name() -> None:
    found = [(o["kind"], o["metadata"]["name"]) for folder in (BASE, TRIAL_REDIS) for o in objects(folder)]
    assert len(set(found)) == len(found)


def test_a_kustomization_that_is_for_trials_says_so_first() -> None:
    for folder in (TRIAL_REDIS, MANIFESTS / "overlays/trial"):
        comment = (folder / "kustomization.yaml").read_text().partition("apiVersion")[0]
        assert "FOR TRIALS ONLY" in comment
