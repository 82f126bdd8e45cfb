"""Follow the two rendered files and hand over each new, proven version."""

import asyncio
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

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
Applicable = RoutesFile | RevocationsFile


@dataclass
class _Content:
    """One of the two files and what is known of it."""

    name: str
    path: Path
    load: Callable[[], Applicable]
    apply: Callable[[Applicable, bool], None]
    is_seen: bool = False
    seen: Fingerprint | None = None
    applied: str | None = None
    fault: tuple[Fingerprint | None, str] | None = None


class SnapshotWatcher:
    """Polls routes.yaml and revocations.yaml in one folder; a bad or vanished file keeps the last good one."""

    def __init__(
        self,
        routes_path: Path,
        on_routes: Callable[[RoutesFile], None],
        on_revocations: Callable[[RevocationsFile], None],
        metrics: Metrics,
    ) -> None:
        def apply_routes(file: Applicable, is_new: bool) -> None:  # noqa: FBT001  # both forms are called alike
            if is_new and isinstance(file, RoutesFile):
                on_routes(file)

        def apply_revocations(file: Applicable, is_new: bool) -> None:  # noqa: FBT001  # both forms are called alike
            # Also where only the confirmation is new.
            if isinstance(file, RevocationsFile):
                on_revocations(file)

        revocations_path = routes_path.with_name("revocations.yaml")
        self._metrics = metrics
        self._contents = (
            _Content("routes", routes_path, lambda: load_routes(routes_path), apply_routes),
            _Content(
                "revocations", revocations_path, lambda: load_revocations(revocations_path), apply_revocations
            ),
        )

    def poll(self) -> None:
        """Look once; errors are logged once per version of a file."""
        for content in self._contents:
            if self._has_changed(content):
                self._take(content, content.load)

    async def run(self) -> None:
        """Poll until cancelled; a large file is read in a thread, so that sessions do not wait for it."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            for content in self._contents:
                if self._has_changed(content):
                    read = await asyncio.to_thread(_read, content)
                    self._take(content, read)

    @property
    def is_loaded(self) -> bool:
        """Whether both files have been applied once."""
        return all(content.applied is not None for content in self._contents)

    def _has_changed(self, content: "_Content") -> bool:
        fingerprint = _fingerprint(content.path)
        if content.is_seen and fingerprint == content.seen:
            return False
        content.is_seen, content.seen = True, fingerprint
        return True

    def _take(self, content: "_Content", read: Callable[[], Applicable]) -> None:
        try:
            loaded = read()
            is_new = loaded.sha256 != content.applied
            content.apply(loaded, is_new)
        except Exception as error:  # noqa: BLE001  # no content of a file may end the data plane
            # Not seen, if the system was at fault and not the file: it is tried again.
            content.is_seen = not isinstance(error, OSError) or content.seen is None
            self._metrics.config_reload_failures.labels(content.name).inc()
            kept = "the last good version stays" if content.applied else "nothing is served yet"
            fields = {"file": str(content.path), "error": str(error), "kept": kept}
            fault = (content.seen, str(error))
            if fault != content.fault:
                log.error("rendered file not applied", extra={"fields": fields})
            content.fault = fault
            return
        content.applied, content.fault = loaded.sha256, None
        if is_new:
            self._loaded(content.name, loaded.version)

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


def _read(content: _Content) -> Callable[[], Applicable]:
    """Load in a thread what is taken in the loop; the error too is told there."""
    try:
        loaded = content.load()
    except Exception as error:  # noqa: BLE001  # carried over, see _take
        fault = error

        def fail() -> Applicable:
            raise fault

        return fail
    return lambda: loaded
