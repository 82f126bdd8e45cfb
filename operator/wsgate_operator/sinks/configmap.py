"""One rendered document in a ConfigMap: whole, versioned, restored when somebody else touches it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from wsgate_contract import rendered
from wsgate_operator.sinks.api_calls import ApiCalls, Document, Target
from wsgate_operator.sinks.kept_object import KeptObject
from wsgate_operator.sinks.packed import VERSION_MAX, Header, Packed
from wsgate_operator.sinks.rendered_text import Item, document_text

VERSION_ANNOTATION = "wsgate.dev/config-version"
"""Says again what the header says: it survives an editor who damages the text."""


@dataclass(frozen=True)
class Written:
    """What the ConfigMap holds; changed: whether this call wrote it."""

    version: int
    sha256: str
    changed: bool


@dataclass(frozen=True)
class _Wanted:
    items: tuple[Item, ...]
    sha256: str
    confirmed_at: float | None


class ConfigMapSink:
    """Keeps one ConfigMap equal to the latest items; versions only grow, also over restarts.

    write() and verify() raise ApiError; the ConfigMap is whole then, the old one or (after a timeout)
    the new one. Calls wait for each other.
    """

    def __init__(self, calls: ApiCalls, gateway: str, namespace: str, content: rendered.Content) -> None:
        target = Target("", "v1", "configmaps", namespace, f"{gateway}-{content}")
        self._kept = KeptObject(calls, target, gateway, content)
        self._content = content
        self._turn = asyncio.Lock()
        self._newest = 0
        self._wanted: _Wanted | None = None
        self._written: tuple[Header, Packed] | None = None

    def remember(self, version: int) -> None:
        """Stay above a version that was seen elsewhere, such as in the status of a route."""
        if version <= VERSION_MAX:
            self._newest = max(self._newest, version)

    async def load(self) -> rendered.RenderedDocument | None:
        """What stands there now; None where it is missing or damaged. Raises ApiError."""
        text = Packed.of_configmap(await self._kept.read() or {}).text(self._content)
        return None if text is None else await asyncio.to_thread(_parsed, self._content, text)

    async def write(self, items: Sequence[Item], *, confirmed_at: float | None = None) -> Written:
        """Write the items unless the ConfigMap says the same already; raises also CapacityExceededError.

        items come from Items, which puts them in order. With confirmed_at, in Unix seconds, the same items are
        written again under their version, to say that they still stood then; without it, what was confirmed before
        stays for as long as the items do.
        """
        confirmed = None if confirmed_at is None else float(confirmed_at)
        wanted = _Wanted(tuple(items), rendered.digest(items), confirmed)
        async with self._turn:
            return await self._bring_about(wanted)

    async def verify(self) -> Written | None:
        """Restore the ConfigMap where it was deleted or edited by hand; None before the first write."""
        async with self._turn:
            return None if self._wanted is None else await self._bring_about(self._wanted)

    async def _bring_about(self, wanted: _Wanted) -> Written:
        return await self._kept.bring_about(lambda found: self._write_over(found, wanted))

    async def _write_over(self, found: Document | None, wanted: _Wanted) -> Written:
        held, metadata = Packed.of_configmap(found or {}), (found or {}).get("metadata") or {}
        before = held.header(self._content)
        self.remember(max(before.version, _annotated_version(metadata)))
        is_intact = await self._is_intact(held, before, wanted)
        header = self._next_header(before if is_intact else None, wanted)
        packed = await self._pack(wanted, header)
        self._wanted = wanted
        ours = self._metadata(metadata, header.version)
        changed = packed != held or ours != metadata
        if changed:
            await self._send(found, ours, packed)
        self._newest = header.version
        self._written = (header, packed)
        return Written(header.version, header.sha256, changed)

    async def _is_intact(self, held: Packed, before: Header, wanted: _Wanted) -> bool:
        """Whether these items stand in the ConfigMap, to the byte and as this process left them."""
        if before.sha256 != wanted.sha256 or not 0 < before.version <= self._newest:
            return False
        if self._written is not None and self._written[0] != before:
            # The same items under another header: a hand that confirms or goes back.
            return False
        return held == await self._pack(wanted, before)

    def _next_header(self, intact: Header | None, wanted: _Wanted) -> Header:
        if intact is not None:
            confirmed_at = intact.confirmed_at if wanted.confirmed_at is None else wanted.confirmed_at
            return Header(intact.version, wanted.sha256, confirmed_at)
        confirmed_at = wanted.confirmed_at
        if confirmed_at is None and self._written is not None and self._written[0].sha256 == wanted.sha256:
            confirmed_at = self._written[0].confirmed_at
        return Header(self._newest + 1, wanted.sha256, confirmed_at)

    async def _pack(self, wanted: _Wanted, header: Header) -> Packed:
        if self._written is not None and self._written[0] == header:
            return self._written[1]
        # In a thread: thousands of routes take a good part of a second.
        return await asyncio.to_thread(self._pack_now, wanted, header)

    def _pack_now(self, wanted: _Wanted, header: Header) -> Packed:
        text = document_text(self._content, wanted.items, header.version, header.confirmed_at)
        return Packed.of_text(self._content, text)

    def _metadata(self, found: dict[str, Any], version: int) -> dict[str, Any]:
        annotations = {**(found.get("annotations") or {}), VERSION_ANNOTATION: str(version)}
        return {**self._kept.metadata(found), "annotations": annotations}

    async def _send(self, found: Document | None, metadata: dict[str, Any], packed: Packed) -> None:
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, **packed.to_document()}
        await self._kept.put(found, body)


def _parsed(content: rendered.Content, text: str) -> rendered.RenderedDocument | None:
    try:
        return rendered.read(content, yaml.load(text, Loader=yaml.CSafeLoader))
    except (rendered.RenderedDocumentError, yaml.YAMLError, ValueError, TypeError, RecursionError):
        return None


def _annotated_version(metadata: dict[str, Any]) -> int:
    text = (metadata.get("annotations") or {}).get(VERSION_ANNOTATION, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= len(str(VERSION_MAX)) else 0
