"""An upstream's answer to the handshake, checked by RFC 6455 4.1."""

import re
from typing import Protocol

from wsgate_dataplane.outcomes.refusal import Refused
from wsgate_dataplane.outcomes.table import Reason
from wsgate_dataplane.values import value

ANSWER_BYTES_MAX = 16_384


_DECLINED = re.compile(r"HTTP/1\.[01] (?!50[234]\b)\d{3}\b")


class Declined(Refused):
    """The upstream is well and does not want this request: any answer but 502, 503 and 504."""


class Offer(Protocol):
    """What was asked of the upstream."""

    @property
    def accept(self) -> str:
        """The Sec-WebSocket-Accept that proves that it read the key."""

    @property
    def subprotocols(self) -> tuple[str, ...]:
        """As they were offered."""

    @property
    def extensions(self) -> tuple[str, ...]:
        """As they were offered."""


@value
class Answer:
    """What the upstream chose."""

    subprotocol: str | None
    extensions: str | None
    set_cookies: tuple[str, ...] = ()
    """Set-Cookie values: sticky sessions behind the gateway depend on them."""


def read_answer(head: bytes, offer: Offer) -> Answer:
    """Raises Refused: UPSTREAM_REFUSED_UPGRADE or UPSTREAM_SUBPROTOCOL."""
    text = head.decode("latin-1")
    # RFC 9110 5.5; Set-Cookie is passed on, and a bare line feed would begin a header of the client's answer.
    if not text.count("\r") == text.count("\n") == text.count("\r\n") or "\0" in text:
        raise _refused("malformed header line: a bare CR or LF, or a NUL")
    status, *lines = text.split("\r\n")
    if status != "HTTP/1.1 101" and not status.startswith("HTTP/1.1 101 "):
        kind = Declined if _DECLINED.match(status) else Refused
        raise kind(Reason.UPSTREAM_REFUSED_UPGRADE, f"expected 101, found {status[:80]!r}")
    fields: dict[str, list[str]] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or name != name.strip() or not name:
            raise _refused(f"malformed header line {line[:80]!r}")
        fields.setdefault(name.lower(), []).append(value.strip())
    if ",".join(fields.get("upgrade", ())).lower() != "websocket":
        raise _refused("no Upgrade: websocket")
    options = ",".join(fields.get("connection", ())).lower()
    if options != "upgrade" and "upgrade" not in map(str.strip, options.split(",")):
        raise _refused("no Connection: Upgrade")
    if fields.get("sec-websocket-accept") != [offer.accept]:
        raise _refused("Sec-WebSocket-Accept does not match the key")
    return Answer(_subprotocol(fields, offer), _extensions(fields, offer), tuple(fields.get("set-cookie", ())))


def _subprotocol(fields: dict[str, list[str]], offer: Offer) -> str | None:
    chosen = fields.get("sec-websocket-protocol")
    if chosen is None:
        return None
    if len(chosen) != 1 or chosen[0] not in offer.subprotocols:
        # Neither is shown: what a client offers may be a token.
        count = len(offer.subprotocols)
        raise Refused(Reason.UPSTREAM_SUBPROTOCOL, f"{count} were offered, the answer is none of them")
    return chosen[0]


def _extensions(fields: dict[str, list[str]], offer: Offer) -> str | None:
    values = fields.get("sec-websocket-extensions")
    chosen = values and ", ".join(values)
    if not chosen:
        return None
    offered = {extension.partition(";")[0].strip() for extension in offer.extensions}
    for extension in chosen.split(","):
        if extension.partition(";")[0].strip() not in offered:
            raise _refused(f"extension {extension[:80]!r} was not offered")
    return chosen


def _refused(detail: str) -> Refused:
    return Refused(Reason.UPSTREAM_REFUSED_UPGRADE, detail)
