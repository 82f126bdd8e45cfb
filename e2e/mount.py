"""A stand-in for kubelet's atomic writer: ConfigMaps or Secrets become files of a folder, all of them at once."""

import base64
import shutil
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from e2e.cluster import Cluster

POLL_SECONDS = 0.2


class Mount:
    """Follows ConfigMaps, or Secrets, in a thread; a missing one is optional: its files are not there.

    As kubelet does it: the files stand in a new folder whose name begins with `..`, the link `..data` is swapped
    to it by rename, and the visible names are links through `..data`.
    """

    def __init__(
        self, cluster: Cluster, namespace: str, names: Sequence[str], folder: Path, resource: str = "configmaps"
    ) -> None:
        self.folder = folder
        self._cluster = cluster
        self._paths = [f"/api/v1/namespaces/{namespace}/{resource}/{name}" for name in names]
        self._is_base64 = resource == "secrets"
        self._may_write = threading.Event()
        self._may_write.set()
        self._stopped = threading.Event()
        self._written: dict[str, bytes] | None = None
        self._thread = threading.Thread(target=self._follow, name=f"mount {folder}", daemon=True)

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._may_write.set()
        self._thread.join()

    def pause(self) -> None:
        """Write nothing until resume(), as a kubelet that is slow or away."""
        self._may_write.clear()

    def resume(self) -> None:
        """Write what stands in the cluster now."""
        self._may_write.set()

    def _follow(self) -> None:
        while not self._stopped.wait(POLL_SECONDS):
            try:
                files = self._read()
            except OSError:
                continue  # the API server is away: a kubelet leaves the files as they are
            self._may_write.wait()
            if files != self._written and not self._stopped.is_set():
                self._write(files)
                self._written = files

    def _read(self) -> dict[str, bytes]:
        files: dict[str, bytes] = {}
        for path in self._paths:
            document = self._cluster.get(path) or {}
            decode = base64.b64decode if self._is_base64 else str.encode
            files |= {name: decode(text) for name, text in document.get("data", {}).items()}
            files |= {name: base64.b64decode(text) for name, text in document.get("binaryData", {}).items()}
        return files

    def _write(self, files: dict[str, bytes]) -> None:
        old = self._target()
        fresh = self.folder / f"..{time.time_ns()}"
        fresh.mkdir()
        for name, content in files.items():
            (fresh / name).write_bytes(content)
        draft = self.folder / "..data_tmp"
        draft.symlink_to(fresh.name)
        draft.rename(self.folder / "..data")
        for name in files:
            if not (self.folder / name).is_symlink():
                (self.folder / name).symlink_to(f"..data/{name}")
        for path in self.folder.iterdir():
            if not path.name.startswith("..") and path.name not in files:
                path.unlink()
        if old is not None:
            shutil.rmtree(old)

    def _target(self) -> Path | None:
        link = self.folder / "..data"
        return self.folder / link.readlink() if link.is_symlink() else None
