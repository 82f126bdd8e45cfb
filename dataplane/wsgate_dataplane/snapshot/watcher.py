"""Follow the two rendered files and hand over each new, proven version."""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from wsgate_contract.rendered import Content
from wsgate_dataplane.snapshot.files import (
    RevocationsFile,
    RoutesFile,
    load_revocations,
    load_routes,
)
from wsgate_dataplane.snapshot.threads import in_thread
from wsgate_dataplane.telemetry.metrics import Metrics

log = logging.getLogger("wsgate")

POLL_SECONDS = 0.25
"""Polling sees mounted volumes, bind mounts and network file systems alike; inotify does not."""
DATA_LINK = "..data"
"""In a mounted volume the files are links through this one, which kubelet turns to a new folder in one step."""

Fingerprint = tuple[str, int, int, int]
File = RoutesFile | RevocationsFile


@dataclass(frozen=True)
class _Look:
    """What was found under a name that has changed: a file, or what is wrong with it."""

    content: Content
    fingerprint: Fingerprint | None
    found: File | Exception


class SnapshotWatcher:
    """Polls routes.yaml and revocations.yaml of one folder, or their .gz forms.

    A bad or vanished file keeps the last good one. on_revocations is also told of a new confirmation of the
    same records. Both callbacks are called in the loop, the revocations first: no route may go live before
    what is revoked on it.
    """

    def __init__(
        self,
        routes_path: Path,
        on_routes: Callable[[RoutesFile], None],
        on_revocations: Callable[[RevocationsFile], None],
        metrics: Metrics,
    ) -> None:
        self._folder = routes_path.parent
        self._names: dict[Content, str] = {"revocations": "revocations.yaml", "routes": routes_path.name}
        self._on_routes = on_routes
        self._on_revocations = on_revocations
        self._metrics = metrics
        self._seen: dict[Content, Fingerprint | None] = {}
        self._applied: dict[Content, str] = {}
        """Digest of what is in force."""
        self._told: dict[Content, tuple[Fingerprint | None, str]] = {}

    def has(self, content: Content) -> bool:
        """Whether a version of it has been applied once."""
        return content in self._applied

    async def run(self) -> None:
        """Poll until cancelled."""
        while True:
            await self.poll()
            await asyncio.sleep(POLL_SECONDS)

    async def poll(self) -> None:
        """Look once; errors are logged once per version of a file."""
        # In a thread: sessions wait neither for a large file nor for a file system that hangs.
        for look in await in_thread(lambda: tuple(self._look())):
            self._take(look)

    def _look(self) -> Iterator[_Look]:
        generation = generation_of(self._folder)
        for content, name in self._names.items():
            path = generation / name
            fingerprint = fingerprint_of(path)
            if fingerprint is None:
                packed = path.with_name(f"{name}.gz")
                fingerprint = fingerprint_of(packed)
                path = path if fingerprint is None else packed
            if content in self._seen and fingerprint == self._seen[content]:
                continue
            try:
                found: File | Exception = load_routes(path) if content == "routes" else load_revocations(path)
            except Exception as error:  # noqa: BLE001  # no content of a file may end the data plane
                found = error
            if isinstance(found, OSError) and generation_of(self._folder) != generation:
                # Swapped while it was read: the next poll reads the new folder.
                return
            yield _Look(content, fingerprint, found)

    def _take(self, look: _Look) -> None:
        if isinstance(look.found, Exception):
            self._tell(look, look.found)
            return
        is_new = look.found.sha256 != self._applied.get(look.content)
        try:
            if isinstance(look.found, RevocationsFile):
                self._on_revocations(look.found)
            elif is_new:
                self._on_routes(look.found)
        except Exception as error:  # noqa: BLE001  # nor may what is made of a content that was read
            self._tell(look, error)
            return
        self._seen[look.content] = look.fingerprint
        self._told.pop(look.content, None)
        self._applied[look.content] = look.found.sha256
        if is_new:
            self._metrics.config_applied(look.content, look.found.version, time.time())
            fields = {"content": look.content, "version": look.found.version}
            log.info("rendered file applied", extra={"fields": fields})

    def _tell(self, look: _Look, error: Exception) -> None:
        if isinstance(error, OSError) and look.fingerprint is not None:
            # The system was at fault and not the file: it is tried again.
            self._seen.pop(look.content, None)
        else:
            self._seen[look.content] = look.fingerprint
        self._metrics.config_reload_failures.labels(look.content).inc()
        fault = (look.fingerprint, str(error))
        if fault != self._told.get(look.content):
            fields = {
                "file": str(self._folder / self._names[look.content]),
                "error": str(error),
                "kept": "the last good version stays" if self.has(look.content) else "nothing is served yet",
            }
            log.error("rendered file not applied", extra={"fields": fields})
        self._told[look.content] = fault


def generation_of(folder: Path) -> Path:
    """The folder that holds both files: in a mounted volume the one of the moment, so that both are of one age."""
    try:
        return folder / os.readlink(folder / DATA_LINK)
    except OSError:
        return folder


def fingerprint_of(path: Path) -> Fingerprint | None:
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return (str(path), stat.st_mtime_ns, stat.st_size, stat.st_ino)
