"""Helm over the chart of the repository."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from e2e.programs import program

CHART = Path(__file__).parent.parent / "manifests/helm/wsgate"
NAMESPACE = "wsgate-system"
RELEASE = "gateway"
SECONDS_MAX = 60

Object = dict[str, Any]
Identity = tuple[str, str, str]
"""Kind, namespace, name."""


class Helm:
    """Calls helm with its state in a folder; a kubeconfig where it is to reach a cluster."""

    def __init__(self, folder: Path, kubeconfig: Path | None = None) -> None:
        self._folder = folder
        self._kubeconfig = kubeconfig

    def __call__(self, *arguments: str | Path) -> str:
        """Its output; fails with what it says on stderr where it does not succeed."""
        done = self.run(*arguments)
        assert done.returncode == 0, f"helm {' '.join(map(str, arguments))}:\n{done.stderr}{done.stdout}"
        return done.stdout

    def refusal(self, *arguments: str | Path) -> str:
        """What it says on stderr; fails where it succeeds."""
        done = self.run(*arguments)
        assert done.returncode != 0, f"helm {' '.join(map(str, arguments))} was not refused:\n{done.stdout}"
        return done.stderr

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Call it, whatever it answers."""
        state = {f"HELM_{kind}_HOME": str(self._folder / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")}
        environ = {**os.environ, **state, "KUBECONFIG": str(self._kubeconfig or self._folder / "no-cluster")}
        return subprocess.run(
            [str(program("helm")), *map(str, arguments)],
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
            check=False,
        )

    def values_file(self, values: Mapping[str, Any]) -> Path:
        """A file with the values."""
        path = self._folder / "values.yaml"
        path.write_text(yaml.safe_dump(dict(values)))
        return path

    def template(self, values: Mapping[str, Any] | None = None, release: str = RELEASE) -> str:
        """The manifests with some values."""
        return self("template", release, CHART, "-n", NAMESPACE, "-f", self.values_file(values or {}))


def by_identity(documents: Sequence[Object]) -> dict[Identity, Object]:
    """The objects by what names them; fails where two have one name."""
    found = {(o["kind"], o["metadata"].get("namespace", ""), o["metadata"]["name"]): o for o in documents if o}
    assert len(found) == len([document for document in documents if document])
    return found
