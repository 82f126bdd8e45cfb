"""kubectl as one user."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from e2e.programs import program

SECONDS_MAX = 60


class Kubectl:
    """Calls kubectl with one kubeconfig; what is installed beside Python is on its PATH."""

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig

    def __call__(self, *arguments: str | Path, stdin: str | None = None) -> str:
        """Its output; fails with what it says on stderr where it does not succeed."""
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == 0, f"kubectl {' '.join(map(str, arguments))}:\n{done.stderr}{done.stdout}"
        return done.stdout

    def json(self, *arguments: str) -> Any:
        """The document that -o json prints."""
        return json.loads(self(*arguments, "-o", "json"))

    def apply(self, *documents: dict[str, Any]) -> str:
        """kubectl apply of the documents."""
        return self("apply", "-f", "-", stdin=_stream_of(documents))

    def refusal(self, *arguments: str | Path, stdin: str | None = None) -> str:
        """What it says on stderr; fails where it succeeds."""
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode != 0, f"kubectl {' '.join(map(str, arguments))} was not refused:\n{done.stdout}"
        return done.stderr

    def apply_refusal(self, *documents: dict[str, Any]) -> str:
        """refusal() of apply()."""
        return self.refusal("apply", "-f", "-", stdin=_stream_of(documents))

    def run(self, *arguments: str | Path, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Call it, whatever it answers."""
        kubectl = program("kubectl")
        places = [str(kubectl.parent), str(Path(sys.executable).parent), os.environ["PATH"]]
        environ = {
            **os.environ,
            "PATH": os.pathsep.join(places),
            "KUBECONFIG": str(self.kubeconfig),
            "KUBECACHEDIR": str(self.kubeconfig.with_suffix(".cache")),
        }
        return subprocess.run(
            [str(kubectl), *map(str, arguments)],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            env=environ,
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
            check=False,
        )


def _stream_of(documents: Sequence[dict[str, Any]]) -> str:
    # As JSON: kubectl reads some bare words of YAML, such as y, as another type than PyYAML writes.
    return "\n".join(map(json.dumps, documents))
