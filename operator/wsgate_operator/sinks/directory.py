"""The rendered files in a local directory, each replaced in one step."""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from wsgate_contract import rendered
from wsgate_contract.revocation import RevocationRecord
from wsgate_contract.route import Route
from wsgate_operator.sinks.rendered_text import document_text, record_items, route_items

ROUTES_FILE = "routes.yaml"
REVOCATIONS_FILE = "revocations.yaml"
CONFIRM_INTERVAL_SECONDS = 10.0


@dataclass(frozen=True)
class _Written:
    """What stands in a file."""

    version: int = 0
    sha256: str | None = None
    confirmed_at: float | None = None


class DirectorySink:
    """Writes routes.yaml and revocations.yaml; versions only grow, also over restarts.

    Its methods raise OSError where the directory cannot be written; nothing is half-written then.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._routes: _Written | None = None
        self._revocations: _Written | None = None

    @property
    def directory(self) -> Path:
        """Where the files are."""
        return self._directory

    def write_routes(self, routes: Sequence[Route]) -> int:
        """Write the routes unless the file says the same already; answers the version in force."""
        items = route_items(routes)
        sha256 = rendered.digest(items)
        before = self._routes or self._read("routes", ROUTES_FILE)
        if before.sha256 == sha256:
            self._routes = before
            return before.version
        version = before.version + 1
        self._replace(ROUTES_FILE, document_text("routes", items, version))
        self._routes = _Written(version, sha256)
        return version

    def write_revocations(self, records: Sequence[RevocationRecord], now: float) -> int:
        """Write the records when they changed, and confirm them every 10 s; answers the version.

        now is in Unix seconds.
        """
        items = record_items(records)
        sha256 = rendered.digest(items)
        before = self._revocations or self._read("revocations", REVOCATIONS_FILE)
        is_same = before.sha256 == sha256
        if is_same and _is_confirmed(before.confirmed_at, now):
            self._revocations = before
            return before.version
        version = before.version if is_same else before.version + 1
        self._replace(REVOCATIONS_FILE, document_text("revocations", items, version, confirmed_at=now))
        self._revocations = _Written(version, sha256, now)
        return version

    def _read(self, content: rendered.Content, name: str) -> _Written:
        """What a former process left; of a damaged file only its version counts."""
        try:
            text = (self._directory / name).read_text(encoding="utf-8")
            document = yaml.load(text, Loader=yaml.CSafeLoader)
        except (OSError, ValueError, yaml.YAMLError):
            return _Written()
        try:
            found = rendered.read(content, document)
        except (rendered.RenderedDocumentError, TypeError, ValueError):
            version = document.get("version") if isinstance(document, dict) else None
            return _Written(version if isinstance(version, int) else 0)
        return _Written(found.version, found.sha256, found.confirmed_at)

    def _replace(self, name: str, text: str) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        # The temporary name is hidden, so that no reader of *.yaml takes it for a file of its own.
        descriptor, temporary = tempfile.mkstemp(prefix=f".{name}.", dir=self._directory)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self._directory / name)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        self._sync_directory()

    def _sync_directory(self) -> None:
        """Make the rename itself durable."""
        descriptor = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _is_confirmed(confirmed_at: float | None, now: float) -> bool:
    # A time in the future is one of a clock that was set back: it confirms nothing.
    return confirmed_at is not None and 0 <= now - confirmed_at < CONFIRM_INTERVAL_SECONDS
