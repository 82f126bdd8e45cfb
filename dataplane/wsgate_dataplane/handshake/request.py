"""The client's request, read once into a value that cannot be wrong."""

import binascii
import hashlib
import re
from collections.abc import Sequence

from wsgate_dataplane.outcomes.refusal import Refused
from wsgate_dataplane.outcomes.table import Reason
from wsgate_dataplane.values import value

ACCEPT_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""RFC 6455 1.3."""

_KEY = re.compile(r"[A-Za-z0-9+/]{22}==")
"""16 bytes in base64."""
_VISIBLE = re.compile(r"[!-~]+")

Headers = tuple[tuple[str, str], ...]


class Request:
    """What arrived: names keep their case, duplicates stay. It is never changed.

    path: as sent, without the query; address: the client's behind trusted proxies; is_secure: the client's own
    hop was TLS, as a trusted proxy says.
    """

    __slots__ = (
        "_fields", "address", "has_body", "headers", "is_secure", "method", "path", "query", "request_id",
    )  # fmt: skip

    def __init__(
        self,
        method: str,
        path: str,
        query: str,
        headers: Headers,
        address: str,
        request_id: str,
        *,
        has_body: bool = False,
        is_secure: bool = False,
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.address = address
        self.request_id = request_id
        self.has_body = has_body
        self.is_secure = is_secure
        fields: dict[str, list[str]] = {}
        for name, text in headers:
            fields.setdefault(name.lower(), []).append(text)
        self._fields = fields

    def all(self, name: str) -> Sequence[str]:
        """Every value of a header; name in lower case."""
        return self._fields.get(name, ())

    def one(self, name: str) -> str | None:
        """The value of a header that may stand once; raises Refused where it stands twice."""
        values = self._fields.get(name)
        if values is None:
            return None
        if len(values) > 1:
            raise Refused(Reason.REQUEST_MALFORMED, f"{name} stands {len(values)} times")
        return values[0]

    def items(self, name: str) -> tuple[str, ...]:
        """The elements of a comma-separated header."""
        values = self._fields.get(name)
        if values is None:
            return ()
        joined = ",".join(values)
        if "," in joined:
            return tuple([item for part in joined.split(",") if (item := part.strip())])
        return (item,) if (item := joined.strip()) else ()


@value
class WebSocketOffer:
    """The WebSocket part of a valid handshake (RFC 6455 4.2.1)."""

    key: str
    accept: str
    subprotocols: tuple[str, ...]
    extensions: tuple[str, ...]
    """Only permessage-deflate: the scanner knows what its bit means."""


def read_offer(request: Request) -> WebSocketOffer:
    """Raises Refused: METHOD_NOT_ALLOWED, UPGRADE_REQUIRED, WEBSOCKET_VERSION, REQUEST_MALFORMED."""
    if request.method != "GET":
        raise Refused(Reason.METHOD_NOT_ALLOWED, f"expected GET, found {request.method[:20]}")
    # Exactly that: with other protocols beside it aiohttp would read early frames as HTTP.
    if tuple(map(str.lower, request.items("upgrade"))) != ("websocket",):
        raise Refused(Reason.UPGRADE_REQUIRED, "no Upgrade: websocket")
    if "upgrade" not in map(str.lower, request.items("connection")):
        raise Refused(Reason.UPGRADE_REQUIRED, "no Connection: Upgrade; a proxy in between may drop it")
    if request.has_body:
        # A body behind an upgrade is what request smuggling is made of.
        raise Refused(Reason.REQUEST_MALFORMED, "a handshake has no body")
    version = request.one("sec-websocket-version")
    if version != "13":
        raise Refused(Reason.WEBSOCKET_VERSION, f"expected 13, found {str(version)[:20]!r}")
    key = request.one("sec-websocket-key") or ""
    if not _KEY.fullmatch(key):
        raise Refused(Reason.REQUEST_MALFORMED, "Sec-WebSocket-Key is not 16 bytes in base64")
    if subprotocols := request.items("sec-websocket-protocol"):
        _check_subprotocols(subprotocols)
    extensions = request.items("sec-websocket-extensions")
    if extensions:
        extensions = tuple(e for e in extensions if e.partition(";")[0].strip() == "permessage-deflate")
    return WebSocketOffer(key, accept_of(key), subprotocols, extensions)


def _check_subprotocols(offered: Sequence[str]) -> None:
    """RFC 6455 4.1."""
    if not all(_VISIBLE.fullmatch(each) for each in offered):
        raise Refused(Reason.REQUEST_MALFORMED, "a subprotocol is not visible ASCII")
    if len(set(offered)) != len(offered):
        raise Refused(Reason.REQUEST_MALFORMED, "a subprotocol is offered twice")


def accept_of(key: str) -> str:
    """The Sec-WebSocket-Accept that proves that a server has read the key (RFC 6455 4.2.2)."""
    digest = hashlib.sha1(key.encode() + ACCEPT_GUID).digest()
    return binascii.b2a_base64(digest, newline=False).decode()
