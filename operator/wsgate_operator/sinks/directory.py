"""The rendered files in a local directory, each replaced in one step."""

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from wsgate_contract import rendered
from wsgate_contract.client_certificate import file_name
from wsgate_contract.revocation import RevocationRecord
from wsgate_contract.route import Route
from wsgate_operator.sinks.rendered_text import Items, document_text

ROUTES_FILE = "routes.yaml"
REVOCATIONS_FILE = "revocations.yaml"
SECRETS_FOLDER = "secrets"


@dataclass(frozen=True)
class _Written:
    """What stands in a file."""

    version: int = 0
    sha256: str | None = None


class DirectorySink:
    """Writes routes.yaml, revocations.yaml and client certificates; versions only grow, also over restarts.

    Its methods raise OSError where the directory cannot be written; nothing is half-written then.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._routes: _Written | None = None
        self._revocations: _Written | None = None
        self._copies: Mapping[str, bytes] | None = None
        self._route_items, self._record_items = Items(), Items()

    @property
    def directory(self) -> Path:
        """Where the files are."""
        return self._directory

    def write_routes(self, routes: Sequence[Route]) -> int:
        """Write the routes unless the file says the same already; answers the version in force."""
        items = self._route_items.of_routes(routes)
        sha256 = rendered.digest(items)
        before = self._routes or self._read("routes", ROUTES_FILE)
        if before.sha256 == sha256:
            self._routes = before
            return before.version
        version = before.version + 1
        self._replace(ROUTES_FILE, document_text("routes", items, version).encode())
        self._routes = _Written(version, sha256)
        return version

    def write_revocations(self, records: Sequence[RevocationRecord], now: float) -> int:
        """Write the records when they changed, and at first; answers the version.

        now, in Unix seconds, is the time that the file confirms them for.
        """
        items = self._record_items.of_records(records)
        sha256 = rendered.digest(items)
        before = self._revocations or self._read("revocations", REVOCATIONS_FILE)
        is_same = before.sha256 == sha256
        if is_same and self._revocations is not None:
            return before.version
        version = before.version if is_same else before.version + 1
        text = document_text("revocations", items, version, confirmed_at=now)
        self._replace(REVOCATIONS_FILE, text.encode())
        self._revocations = _Written(version, sha256)
        return version

    def write_certificates(self, copies: Mapping[str, bytes]) -> None:
        """Make the folder of client certificates hold these, by id, readable by this user alone."""
        if copies == self._copies:
            return
        folder = self._directory / SECRETS_FOLDER
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for id_, pem in copies.items():
            if self._copies is None or self._copies.get(id_) != pem:
                self._replace(file_name(id_), pem, folder)
        kept = {file_name(id_) for id_ in copies}
        for path in folder.iterdir():
            if path.name not in kept:
                path.unlink()
        self._copies = dict(copies)

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
        return _Written(found.version, found.sha256)

    def _replace(self, name: str, content: bytes, folder: Path | None = None) -> None:
        folder = folder or self._directory
        folder.mkdir(parents=True, exist_ok=True)
        # The temporary name is hidden, so that no reader of *.yaml takes it for a file of its own.
        descriptor, temporary = tempfile.mkstemp(prefix=f".{name}.", dir=folder)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, folder / name)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        _sync(folder)


def _sync(folder: Path) -> None:
    """Make a rename within it durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
