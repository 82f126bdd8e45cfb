"""Read a rendered file: proven by its digest, each item validated on its own."""

import gzip
import zlib
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from wsgate_contract.rendered import RenderedDocument, RenderedDocumentError, read
from wsgate_contract.revocation import RevocationRecord
from wsgate_contract.revocation_log import member_of
from wsgate_contract.route import Route

DOCUMENT_BYTES_MAX = 32 * 1024 * 1024
"""After decompression; a ConfigMap of 1 MiB could otherwise unpack to a thousand times as much."""


@dataclass(frozen=True)
class InvalidRoute:
    """A route that this version cannot read in full; serving the rest of it would fail open."""

    key: str
    document: dict[str, Any]
    detail: str


@dataclass(frozen=True)
class RoutesFile:
    """The routes that could be read, and those that could not."""

    version: int
    sha256: str
    routes: tuple[Route, ...]
    invalid: tuple[InvalidRoute, ...]


@dataclass(frozen=True)
class RevocationsFile:
    """All records, as members; one that cannot be read fails the whole file, since skipping it would fail open."""

    version: int
    sha256: str
    members: Set[str]
    confirmed_at: float | None


def load_routes(path: Path) -> RoutesFile:
    """Raises RenderedDocumentError or OSError."""
    document = read("routes", _load(path))
    routes, invalid = [], []
    for item in document.items:
        try:
            routes.append(Route.from_document(item))
        except ValidationError as error:
            key = f"{item.get('namespace')}/{item.get('name')}"
            invalid.append(InvalidRoute(key, dict(item), _summary(error)))
    return RoutesFile(document.version, document.sha256, tuple(routes), tuple(invalid))


def load_revocations(path: Path) -> RevocationsFile:
    """Raises RenderedDocumentError or OSError."""
    document: RenderedDocument = read("revocations", _load(path))
    try:
        records = tuple(RevocationRecord.from_document(item) for item in document.items)
    except ValidationError as error:
        raise RenderedDocumentError(_summary(error)) from error
    if len({record.id for record in records}) != len(records):
        raise RenderedDocumentError("a record's id stands twice; one of the two would be lost")
    members = frozenset(map(member_of, records))
    return RevocationsFile(document.version, document.sha256, members, document.confirmed_at)


def _load(path: Path) -> object:
    try:
        loaded: object = yaml.load(_content(path), Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # ValueError: a scalar that looks like a date or a number and is none.
        raise RenderedDocumentError(f"{path}: not YAML: {error}") from error
    return loaded


def _content(path: Path) -> bytes:
    """At most DOCUMENT_BYTES_MAX; a name that ends with .gz is unpacked."""
    opened = gzip.open(path) if path.suffix == ".gz" else path.open("rb")
    try:
        with opened as file:
            content: bytes = file.read(DOCUMENT_BYTES_MAX + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise RenderedDocumentError(f"{path}: not gzip: {error}") from error
    if len(content) > DOCUMENT_BYTES_MAX:
        raise RenderedDocumentError(f"{path}: more than {DOCUMENT_BYTES_MAX} bytes; split the gateway's routes")
    return content


def _summary(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in found[:5])
