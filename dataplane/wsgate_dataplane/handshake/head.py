"""A request's head becomes a Request, by aiohttp's parser.

aiohttp's server never sees the connection: it makes two tasks and a dozen objects for each, of which an upgraded
connection needs none.
"""

import asyncio
from collections.abc import Sequence

from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpProcessingError, HttpRequestParser, RawRequestMessage

from wsgate_dataplane.handshake.peer import Network, client_address, is_trusted, request_id
from wsgate_dataplane.handshake.request import Request
from wsgate_dataplane.outcomes.refusal import Refused
from wsgate_dataplane.outcomes.table import Reason

LINE_BYTES_MAX = 8190
FIELD_BYTES_MAX = 16_384
HEADERS_MAX = 64
PARSER_ERRORS = (HttpProcessingError, IndexError, ValueError)
"""The parser's own, and what yarl and the codecs raise through it for odd authorities and bytes."""


def read_request(head: bytes, peer: str, trusted: Sequence[Network], loop: asyncio.AbstractEventLoop) -> Request:
    """A head that ends with its blank line; peer: the address that it came from.

    Raises Refused(REQUEST_MALFORMED) and nothing else.
    """
    arrived = _parse(head, loop)
    fields = arrived.headers
    path, _, query = arrived.path.partition("?")
    is_proxy = bool(trusted) and is_trusted(peer, trusted)
    return Request(
        arrived.method,
        path,
        query,
        tuple(fields.items()),
        client_address(peer, fields.getall("X-Forwarded-For", ()), trusted) if is_proxy else peer,
        request_id(fields.get("X-Request-Id"), is_from_trusted=is_proxy),
        has_body=arrived.chunked or fields.get("Content-Length", "0") != "0" or "Transfer-Encoding" in fields,
        is_secure=is_proxy and fields.get("X-Forwarded-Proto") == "https",
    )


def unreadable_request(peer: str) -> Request:
    """What stands for a request that could not be read."""
    return Request("", "", "", (), peer, request_id(None, is_from_trusted=False))


def _parse(head: bytes, loop: asyncio.AbstractEventLoop) -> RawRequestMessage:
    parser = HttpRequestParser(
        # Nothing is read through it, yet a CONNECT's endless body asks for one.
        BaseProtocol(loop),
        loop,
        FIELD_BYTES_MAX,
        max_line_size=LINE_BYTES_MAX,
        max_field_size=FIELD_BYTES_MAX,
        max_headers=HEADERS_MAX,
    )
    try:
        messages, _, _ = parser.feed_data(head)
    except PARSER_ERRORS as error:
        # Its own words may quote the head, and with it a token.
        raise Refused(Reason.REQUEST_MALFORMED, f"not an HTTP request: {type(error).__name__}") from None
    if len(messages) != 1:
        raise Refused(Reason.REQUEST_MALFORMED, f"not the head of one HTTP request, but of {len(messages)}")
    message: RawRequestMessage = messages[0][0]
    return message
