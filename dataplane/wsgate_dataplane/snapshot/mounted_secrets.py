"""Follow the mounted folder with client certificates, one file each, and hand over all that can be used."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from wsgate_contract.client_certificate import SUFFIX
from wsgate_dataplane.snapshot.threads import in_thread
from wsgate_dataplane.snapshot.watcher import POLL_SECONDS, Fingerprint, fingerprint_of, generation_of

FILES_MAX = 4096
FILE_BYTES_MAX = 1024 * 1024

Secret = TypeVar("Secret")

log = logging.getLogger("wsgate")


@dataclass(frozen=True)
class _Look:
    """One state of the folder: every file's fingerprint, and the values and the faults of those that are new."""

    fingerprints: Mapping[str, Fingerprint]
    found: Mapping[str, Any]
    faults: Mapping[str, str]


class SecretsWatcher(Generic[Secret]):
    """Polls a folder of `<id>.pem`; read makes a value of a content, or raises ValueError.

    A file that is broken keeps its last good value, one that is gone has none. A folder that cannot be read
    changes nothing. on_change is called in the loop, with all values by id; what stays is the same value.
    """

    def __init__(
        self, folder: Path, read: Callable[[bytes], Secret], on_change: Callable[[Mapping[str, Secret]], None]
    ) -> None:
        self._folder = folder
        self._read = read
        self._on_change = on_change
        self._seen: dict[str, Fingerprint] = {}
        self._good: dict[str, Secret] = {}
        self._fault: str | None = None

    async def run(self) -> None:
        """Poll until cancelled."""
        while True:
            await self.poll()
            await asyncio.sleep(POLL_SECONDS)

    async def poll(self) -> None:
        """Look once; errors are logged once for each version of a file."""
        try:
            # In a thread: sessions do not wait for a file system that hangs.
            look = await in_thread(self._look)
        except OSError as error:
            self._tell_fault(str(error))
            return
        self._tell_fault(None)
        if look.fingerprints != self._seen:
            self._take(look)

    def _look(self) -> _Look:
        """Raises OSError; then the next poll looks again."""
        folder = generation_of(self._folder)
        names = sorted(path.name for path in folder.iterdir() if path.name.endswith(SUFFIX))
        fingerprints: dict[str, Fingerprint] = {}
        found: dict[str, Secret] = {}
        faults: dict[str, str] = {}
        for name in names[:FILES_MAX]:
            fingerprint = fingerprint_of(folder / name)
            if fingerprint is None:
                raise OSError(f"{folder / name} went while it was looked at")
            id_ = name.removesuffix(SUFFIX)
            fingerprints[id_] = fingerprint
            if self._seen.get(id_) != fingerprint:
                try:
                    found[id_] = self._read(_content(folder / name))
                except ValueError as error:
                    faults[id_] = str(error)
        return _Look(fingerprints, found, faults)

    def _take(self, look: _Look) -> None:
        good = {id_: value for id_, value in self._good.items() if id_ in look.fingerprints}
        for id_, fault in look.faults.items():
            kept = "the last good one stays" if id_ in good else "its routes are not served"
            fields = {"file": f"{id_}{SUFFIX}", "error": fault, "kept": kept}
            log.error("client certificate not used", extra={"fields": fields})
        for id_, made in look.found.items():
            # Equal where only the folder is a new one.
            if good.get(id_) != made:
                good[id_] = made
                log.info("client certificate applied", extra={"fields": {"file": f"{id_}{SUFFIX}"}})
        self._seen = dict(look.fingerprints)
        is_changed = good.keys() != self._good.keys() or any(good[id_] is not self._good[id_] for id_ in good)
        self._good = good
        if is_changed:
            try:
                self._on_change(dict(good))
            except Exception:
                # Nor may what is made of a content end the data plane.
                log.exception(
                    "client certificates not applied", extra={"fields": {"advice": "report this as a defect"}}
                )

    def _tell_fault(self, fault: str | None) -> None:
        if fault is not None and fault != self._fault:
            fields = {"folder": str(self._folder), "error": fault, "kept": "what was read before stays"}
            log.error("folder of client certificates not read", extra={"fields": fields})
        self._fault = fault


def _content(path: Path) -> bytes:
    """Raises ValueError for a file that is too long, OSError for one that cannot be read."""
    with path.open("rb") as file:
        content = file.read(FILE_BYTES_MAX + 1)
    if len(content) > FILE_BYTES_MAX:
        raise ValueError(f"longer than {FILE_BYTES_MAX} bytes")
    return content
