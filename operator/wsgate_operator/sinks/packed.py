"""A rendered document as a ConfigMap holds it: plain text while it is small, gzip above, never too big."""

import base64
import binascii
import gzip
import hashlib
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from wsgate_contract.model import Value
from wsgate_contract.rendered import Content
from wsgate_contract.revocation import RevocationRecord
from wsgate_contract.route import Route
from wsgate_operator.sinks.rendered_text import item_of

PLAIN_BYTES_MAX = 512 * 1024
STORED_BYTES_MAX = 900 * 1024
"""The API server takes 1 MiB in all the values of a ConfigMap."""
TEXT_BYTES_MAX = 4 * 1024 * 1024
"""What readers unpack: text that repeats itself shrinks so far that 900 KiB could fill their memory."""
HEADER_BYTES = 512
"""No header is longer."""
# As long as any header, and shrinks less: a header holds a digest.
_ANY_HEADER = base64.b85encode(hashlib.shake_256(b"header").digest(HEADER_BYTES)).decode()[:HEADER_BYTES]
VERSION_MAX = 10**12
"""A larger one was typed by hand and is not believed: numbers above it would one day not fit."""


class CapacityExceededError(Exception):
    """The content does not fit into a ConfigMap; StoredBytes says how much of it does."""


@dataclass(frozen=True)
class Packed:
    """The values of a ConfigMap; binary ones in base64, as the API carries them."""

    data: Mapping[str, str] = field(default_factory=dict)
    binary_data: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_text(cls, content: Content, text: str) -> Self:
        """Pack the text of a document; raises CapacityExceededError."""
        stored = _stored(text)
        if len(stored) > STORED_BYTES_MAX or len(text) > TEXT_BYTES_MAX:
            raise CapacityExceededError(
                f"the {content} fill {len(stored)} bytes ({len(text)} unpacked), and a ConfigMap holds "
                f"{STORED_BYTES_MAX} ({TEXT_BYTES_MAX} unpacked): use fewer or shorter objects"
            )
        if isinstance(stored, str):
            return cls(data={plain_key(content): stored})
        return cls(binary_data={gzip_key(content): base64.b64encode(stored).decode()})

    @classmethod
    def of_configmap(cls, configmap: Mapping[str, Any]) -> Self:
        """What a ConfigMap holds, whoever wrote it."""
        return cls(configmap.get("data") or {}, configmap.get("binaryData") or {})

    def to_document(self) -> dict[str, Mapping[str, str]]:
        """The fields of a ConfigMap."""
        return {"data": self.data, "binaryData": self.binary_data}

    def text(self, content: Content) -> str | None:
        """The whole document; None where there is none, or none that could be one of ours."""
        plain = self.data.get(plain_key(content))
        if plain is not None:
            return plain
        unpacked = _first_bytes(self.binary_data.get(gzip_key(content), ""), TEXT_BYTES_MAX)
        return unpacked or None

    def header(self, content: Content) -> "Header":
        """What can be read of a document's header, also of one that somebody edited."""
        text = self.data.get(plain_key(content))
        if text is None:
            text = _first_bytes(self.binary_data.get(gzip_key(content), ""))
        head = text[:HEADER_BYTES]
        version = re.search(r"^version: (\d{1,15})$", head, re.MULTILINE)
        sha256 = re.search(r"^sha256: ([0-9a-f]{64})$", head, re.MULTILINE)
        confirmed_at = re.search(r"^confirmedAt: (\d{1,15}(?:\.\d{1,9})?)$", head, re.MULTILINE)
        return Header(
            version=int(version[1]) if version else 0,
            sha256=sha256[1] if sha256 else "",
            confirmed_at=float(confirmed_at[1]) if confirmed_at else None,
        )


@dataclass(frozen=True)
class Header:
    """What stands above the content; version 0 and an empty digest where none can be read."""

    version: int = 0
    sha256: str = ""
    confirmed_at: float | None = None


def plain_key(content: Content) -> str:
    """The file's name in the mounted volume."""
    return f"{content}.yaml"


def gzip_key(content: Content) -> str:
    """The file's name in the mounted volume while it is compressed."""
    return f"{content}.yaml.gz"


class StoredBytes:
    """Measures what routes or records would fill; meant for trying many subsets of the same ones.

    The text of each key is made once, so take a new one for each pass; packing tens of thousands takes
    tenths of a second. What is too long unpacked counts with its whole length: it never seems to fit.
    """

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    def of_routes(self, routes: Sequence[Route]) -> int:
        """Bytes in the ConfigMap."""
        return self._of((route.key, route) for route in routes)

    def of_records(self, records: Sequence[RevocationRecord]) -> int:
        """Bytes in the ConfigMap."""
        return self._of((record.id, record) for record in records)

    def text_bytes(self, value: Route | RevocationRecord) -> int:
        """What one takes of the text."""
        return len(self._text(value.key if isinstance(value, Route) else value.id, value))

    def _of(self, values: Iterable[tuple[str, Value]]) -> int:
        # Near to the order in which they would stand: what is near decides how far a text shrinks.
        text = _ANY_HEADER + "".join(self._text(*each) for each in sorted(values, key=lambda each: each[0]))
        return len(_stored(text)) if len(text) <= TEXT_BYTES_MAX else len(text)

    def _text(self, key: str, value: Value) -> str:
        if key not in self._texts:
            self._texts[key] = item_of(value).text
        return self._texts[key]


def _stored(text: str) -> str | bytes:
    if len(text) <= PLAIN_BYTES_MAX:
        return text
    # Without a time in it, so that the same text gives the same bytes.
    return gzip.compress(text.encode("ascii"), mtime=0)


def _first_bytes(value: str, count: int = HEADER_BYTES) -> str:
    """The beginning of a compressed value; empty where it is none."""
    try:
        unpacked = zlib.decompressobj(wbits=31).decompress(base64.b64decode(value), count)
    except (binascii.Error, zlib.error):
        return ""
    return unpacked.decode("ascii", errors="replace")
