"""docker-compose.yaml read without Docker: as much of the Compose specification as the file uses."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yaml"
INTERPOLATION = re.compile(r"\$\{(?P<name>[A-Z_]+):-(?P<default>[^}]*)\}")

Service = dict[str, Any]


def document() -> dict[str, Any]:
    """The file as it is, with its anchors resolved."""
    found: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return found


def services() -> dict[str, Service]:
    """By name."""
    found: dict[str, Service] = document()["services"]
    return found


def interpolated(text: str, environ: Mapping[str, str]) -> str:
    """${NAME:-default}, where an empty value counts as unset."""
    return INTERPOLATION.sub(lambda found: environ.get(found["name"]) or found["default"], text)


def env_file(text: str) -> dict[str, str]:
    """NAME=value lines without quotes, as .env.example promises."""
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    return dict(line.split("=", 1) for line in lines)


def environment(service: Service, dotenv: Mapping[str, str]) -> dict[str, str]:
    """What the process gets: the env file, then `environment`, which the same file interpolates."""
    given = {name: interpolated(value, dotenv) for name, value in service.get("environment", {}).items()}
    return {**dotenv, **given}


def mounts(service: Service) -> dict[str, Path]:
    """Files and folders of the repository by their place in the container."""
    found = {}
    for volume in service.get("volumes", []):
        source, target = volume.split(":")[:2]
        if source.startswith("./"):
            found[target] = ROOT / source
    return found
