"""The rendered documents: a header that proves the content, and the content."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

FORMAT = 1
"""Readers accept this format and the one before it."""

Content = Literal["routes", "revocations"]


class RenderedDocumentError(Exception):
    """The document cannot be applied; the message says why and what to do."""


@dataclass(frozen=True)
class RenderedDocument:
    """A document whose digest held; items are not validated yet."""

    version: int
    sha256: str
    items: Sequence[Mapping[str, Any]]
    confirmed_at: float | None = None


def digest(items: Sequence[Mapping[str, Any]]) -> str:
    """SHA-256 over the canonical JSON of the items, so that layout and comments do not count."""
    text = json.dumps(items, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def build(
    content: Content,
    items: Sequence[Mapping[str, Any]],
    version: int,
    confirmed_at: float | None = None,
) -> dict[str, Any]:
    """The document for a file; confirmed_at (Unix seconds) stands outside the digest."""
    header: dict[str, Any] = {"format": FORMAT, "version": version, "sha256": digest(items)}
    if confirmed_at is not None:
        header["confirmedAt"] = confirmed_at
    return {**header, content: list(items)}


def read(content: Content, document: object) -> RenderedDocument:
    """Check header and digest; raises RenderedDocumentError."""
    if isinstance(document, list):
        raise RenderedDocumentError(
            "a routes file without a header: give it to `wsgate standalone --config` or translate it "
            "with `wsgate migrate`"
        )
    if not isinstance(document, Mapping):
        raise RenderedDocumentError("not a mapping with format, version and sha256")
    if document.get("format") not in (FORMAT, FORMAT - 1):
        raise RenderedDocumentError(f"format {document.get('format')!r} is not {FORMAT}; upgrade the reader")
    items, version = document.get(content), document.get("version")
    if not isinstance(items, list) or not all(isinstance(item, Mapping) for item in items):
        raise RenderedDocumentError(f"{content} is not a list of mappings")
    if not isinstance(version, int):
        raise RenderedDocumentError(f"version {version!r} is not an integer")
    try:
        found = digest(items)
    except (TypeError, ValueError, RecursionError) as error:
        # What YAML can say and JSON cannot: dates, odd keys, cycles.
        raise RenderedDocumentError(f"{content} is not JSON-shaped: {error}") from error
    if document.get("sha256") != found:
        raise RenderedDocumentError(f"sha256 is {document.get('sha256')!r} but the content has {found}")
    confirmed_at = document.get("confirmedAt")
    if confirmed_at is not None and not _is_time(confirmed_at):
        raise RenderedDocumentError(f"confirmedAt {confirmed_at!r} is not a number of Unix seconds")
    return RenderedDocument(version, found, items, confirmed_at)


def _is_time(value: object) -> bool:
    # NaN and infinity would never grow stale.
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
