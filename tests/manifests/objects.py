"""The objects of a kustomization, read without Kustomize: its resources, and those of the folders it names."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
MANIFESTS = ROOT / "manifests"
BASE = MANIFESTS / "base"
TRIAL_REDIS = MANIFESTS / "components/trial-redis"
CHART = MANIFESTS / "helm/wsgate"
STRICT = MANIFESTS / "components/strict"

Object = dict[str, Any]


def kustomization(folder: Path) -> Object:
    """The parsed kustomization.yaml of a folder."""
    found: Object = yaml.safe_load((folder / "kustomization.yaml").read_text())
    return found


def documents(path: Path) -> list[Object]:
    """All documents of one file."""
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def objects(folder: Path) -> Iterator[Object]:
    """Every object that a kustomization takes in, as written."""
    for name in kustomization(folder).get("resources", []):
        path = folder / name
        yield from objects(path) if path.is_dir() else documents(path)


def only(folder: Path, kind: str, name: str) -> Object:
    """The one object of that kind and name."""
    (found,) = (o for o in objects(folder) if o["kind"] == kind and o["metadata"]["name"] == name)
    return found


def container(deployment: Object) -> Object:
    """The one container of a Deployment."""
    (found,) = deployment["spec"]["template"]["spec"]["containers"]
    assert isinstance(found, dict)
    return found


def environment(deployment: Object) -> dict[str, Object]:
    """The variables of a Deployment's container by name."""
    return {variable["name"]: variable for variable in container(deployment).get("env", [])}
