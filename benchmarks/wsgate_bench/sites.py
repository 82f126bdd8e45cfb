"""Where a peer is set up: what its configuration and its command are made of."""

import sys
from dataclasses import dataclass
from pathlib import Path

BENCHMARKS_FOLDER = Path(__file__).parents[1]
PYTHON_ENVIRONMENT = {"PYTHONPATH": str(BENCHMARKS_FOLDER), "PYTHONDONTWRITEBYTECODE": "1"}
BACKLOG = 4096
"""Connections that wait to be accepted: enough that no peer refuses one."""


@dataclass(frozen=True)
class Site:
    """A folder of the peer's own, its port, and the port of the upstream that all share."""

    folder: Path
    port: int
    upstream_port: int
    jwks: str


def module_command(module: str, *options: str) -> list[str]:
    """A module of this package as a process."""
    return [sys.executable, "-m", f"{__package__}.{module}", *options]
