"""Follow the two rendered files and hand over each new, proven version."""

import asyncio
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

from wsgate_contract.rendered import RenderedDocumentError
from wsgate_dataplane.snapshot.files import (
    RevocationsFile,
    RoutesFile,
    load_revocations,
    load_routes,
)
from wsgate_dataplane.telemetry.metrics import Metrics

log = logging.getLogger("wsgate")

POLL_SECONDS = 0.25
"""Polling sees mounted volumes, bind mounts and network file systems alike; inotify does not."""

Fingerprint = tuple[int, int, int]


class SnapshotWatcher:
    """Polls routes.yaml and revocations.yaml in one folder; a bad or vanished file keeps the last good one."""

    def __init__(
        self,
        routes_path: Path,
        on_routes: Callable[[RoutesFile], None],
        on_revocations: Callable[[RevocationsFile], None],
        metrics: Metrics,
    ) -> None:
        self._routes_path = routes_path
        self._revocations_path = routes_path.with_name("revocations.yaml")
        self._on_routes = on_routes
        self._on_revocations = on_revocations
        self._metrics = metrics
        self._seen: dict[Path, Fingerprint | None] = {}
        self._applied: dict[Path, str] = {}
        self.is_loaded = False
        """Whether both files have been applied once."""

    def poll(self) -> None:
        """Look once; errors are logged once per version of a file."""
        self._poll(self._routes_path, "routes", self._apply_routes)
        self._poll(self._revocations_path, "revocations", self._apply_revocations)
        self.is_loaded = len(self._applied) == 2

    async def run(self) -> None:
        """Poll until cancelled."""
        while True:
            self.poll()
            await asyncio.sleep(POLL_SECONDS)

    def _poll(self, path: Path, content: str, apply: Callable[[Path], None]) -> None:
        fingerprint = _fingerprint(path)
        if path in self._seen and self._seen[path] == fingerprint:
            return
        self._seen[path] = fingerprint
        try:
            apply(path)
        except (OSError, RenderedDocumentError) as error:
            self._metrics.config_reload_failures.labels(content).inc()
            kept = "the last good version stays" if path in self._applied else "nothing is served yet"
            fields = {"file": str(path), "error": str(error), "kept": kept}
            log.error("rendered file not applied", extra={"fields": fields})

    def _apply_routes(self, path: Path) -> None:
        routes = load_routes(path)
        if self._applied.get(path) == routes.sha256:
            return
        self._on_routes(routes)
        self._applied[path] = routes.sha256
        self._loaded("routes", routes.version)

    def _apply_revocations(self, path: Path) -> None:
        revocations = load_revocations(path)
        self._on_revocations(revocations)
        if self._applied.get(path) != revocations.sha256:
            self._applied[path] = revocations.sha256
            self._loaded("revocations", revocations.version)

    def _loaded(self, content: str, version: int) -> None:
        self._metrics.config_applied(content, version, time.time())
        log.info("rendered file applied", extra={"fields": {"content": content, "version": version}})


def _fingerprint(path: Path) -> Fingerprint | None:
    try:
        # Following links: a ConfigMap volume is swapped by renaming the ..data link.
        stat = os.stat(path)
    except OSError:
        return None
    return (stat.st_mtime_ns, stat.st_size, stat.st_ino)
