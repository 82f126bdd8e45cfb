"""A real Prometheus with the alerts that are shipped."""

import json
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from e2e.daemon import Daemon, free_port
from e2e.programs import program

OBSERVABILITY = Path(__file__).parent.parent / "manifests/observability"
RULES = OBSERVABILITY / "prometheus/rules.yml"
SCRAPE_SECONDS = 5
"""As the PodMonitors have it."""
HTTP_SECONDS = 5.0


class Prometheus:
    """Scrapes targets, HOST:PORT each, as the PodMonitors would have it."""

    def __init__(self, folder: Path, targets: Sequence[str]) -> None:
        self._url = f"http://127.0.0.1:{free_port()}"
        every = f"{SCRAPE_SECONDS}s"
        config = {
            "global": {"scrape_interval": every, "scrape_timeout": "4s", "evaluation_interval": "15s"},
            "rule_files": [str(RULES)],
            "scrape_configs": [{"job_name": "wsgate", "static_configs": [{"targets": list(targets)}]}],
        }
        file = folder / "prometheus.yml"
        file.write_text(yaml.safe_dump(config))
        self.daemon = Daemon(
            "prometheus",
            [
                program("prometheus"),
                f"--config.file={file}",
                f"--storage.tsdb.path={folder / 'tsdb'}",
                f"--web.listen-address={self._url.removeprefix('http://')}",
            ],
            folder,
        )

    def is_ready(self) -> bool:
        """Whether it answers."""
        try:
            with urllib.request.urlopen(f"{self._url}/-/ready", timeout=HTTP_SECONDS):
                return True
        except OSError:
            return False

    def firing(self) -> set[str]:
        """The names of the alerts that fire."""
        alerts = self._get("alerts")["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    def value(self, expression: str) -> float | None:
        """Of an expression that answers one sample; None where it answers none."""
        found = self._get(f"query?{urllib.parse.urlencode({'query': expression})}")["result"]
        return float(found[0]["value"][1]) if found else None

    def rule_faults(self) -> list[str]:
        """What went wrong with rules as they were looked at."""
        groups = self._get("rules")["groups"]
        return [
            f"{rule['name']}: {rule['lastError']}" for g in groups for rule in g["rules"] if "lastError" in rule
        ]

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self._url}/api/v1/{path}", timeout=HTTP_SECONDS) as response:
            return json.load(response)["data"]
