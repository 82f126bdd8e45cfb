"""What the upstream and the client are sent: the request upstream and the 101."""

from collections.abc import Container

from wsgate_contract.headers import is_reserved, plain
from wsgate_contract.route import Route
from wsgate_dataplane.handshake.request import Headers, Request, WebSocketOffer
from wsgate_dataplane.identity.sources import real_subprotocols, strip_cookie
from wsgate_dataplane.outcomes.refusal import Refused
from wsgate_dataplane.outcomes.table import Reason
from wsgate_dataplane.upstreams.answer import Answer, Offer
from wsgate_dataplane.upstreams.dial import Target

PASSED = ("origin", "user-agent", "accept-language", "traceparent", "tracestate")
"""Headers that go upstream as they are; everything else must be named by the route."""

VIA_NAME = "wsgate"
FORWARDED_MAX = 4
"""How often gateways may forward one request: more is a route that leads back to where it begins."""


def check_loop(request: Request) -> None:
    """Raises Refused(LOOP_DETECTED) where Via (RFC 9110 7.6.3) names gateways too often."""
    hops = request.items("via")
    # An element is a protocol, a name and perhaps a comment.
    if len(hops) >= FORWARDED_MAX and [hop.split()[1:2] for hop in hops].count([VIA_NAME]) >= FORWARDED_MAX:
        raise Refused(Reason.LOOP_DETECTED, f"forwarded {FORWARDED_MAX} times already")


def upstream_offer(route: Route, offer: WebSocketOffer) -> Offer:
    """The part of the client's offer that the upstream sees."""
    subprotocols = offer.subprotocols if route.copy_sub_protocol else ()
    if subprotocols and "SubProtocol" in route.auth.token_sources:
        subprotocols = real_subprotocols(subprotocols)
    return Offer(offer.accept, subprotocols, offer.extensions)


def upstream_headers(
    route: Route,
    target: Target,
    request: Request,
    offer: WebSocketOffer,
    cookie_name: str | None,
    passed: Container[str],
    identity: Headers = (),
    *,
    is_checked: bool,
) -> Headers:
    """An allowlist with what passed_headers says; the cookie of that name stays out (see Admitted.token_cookie).

    identity: what the token says, see identity_headers; is_checked: an Authorization header is what the gateway
    has checked, or the route asks for nothing.
    """
    sent = upstream_offer(route, offer)
    host = request.one("host") or ""
    headers: list[tuple[str, str]] = [
        ("Host", host if route.host_header == "Original" else target.host_header),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", offer.key),
        ("X-Request-Id", request.request_id),
        ("X-Forwarded-For", request.address),
        ("X-Forwarded-Host", host),
        ("X-Forwarded-Proto", "https" if request.is_secure else "http"),
        ("Via", ", ".join((*request.all("via"), f"1.1 {VIA_NAME}"))),
    ]
    if sent.subprotocols:
        headers.append(("Sec-WebSocket-Protocol", ", ".join(sent.subprotocols)))
    if sent.extensions:
        headers.append(("Sec-WebSocket-Extensions", ", ".join(sent.extensions)))
    headers += identity
    authorization = is_checked and route.auth.forward.authorization == "Forward"
    for name, value in request.headers:
        lowered = name.lower()
        if lowered == "cookie":
            rest = strip_cookie(value, cookie_name) if cookie_name else value
            if rest:
                headers.append((name, rest))
        elif lowered == "authorization":
            if authorization:
                headers.append((name, value))
        elif lowered in passed:
            headers.append((name, value))
    return tuple(headers)


def passed_headers(route: Route) -> frozenset[str]:
    """Names, in lower case, of the client's headers that go upstream as they are."""
    forward = route.auth.forward
    asked = (header.lower() for header in forward.request_headers)
    identity = {forward.roles.header.lower(), *(each.header.lower() for each in forward.claim_to_headers)}
    return frozenset({*PASSED, *filter(_may_pass, asked)} - identity)


def _may_pass(name: str) -> bool:
    # Upstreams believe the roles' usual header whatever this route calls its own.
    return not is_reserved(name) and plain(name) != "x-user-roles"


def switching_protocols(route: Route, offer: WebSocketOffer, answer: Answer, request_id: str) -> bytes:
    """The 101 to the client, after the upstream's."""
    subprotocol = answer.subprotocol
    if not route.copy_sub_protocol:
        subprotocol = first_real(offer.subprotocols)
    return _head(offer, subprotocol, answer.extensions, request_id, answer.set_cookies)


def switching_protocols_to_refuse(offer: WebSocketOffer, request_id: str) -> bytes:
    """The 101 that only carries a Close: browsers fail the handshake without an echoed subprotocol."""
    return _head(offer, first_real(offer.subprotocols), None, request_id, ())


def first_real(subprotocols: tuple[str, ...]) -> str | None:
    """The first offered subprotocol that is not a token in disguise."""
    return next(iter(real_subprotocols(subprotocols)), None)


def _head(
    offer: WebSocketOffer,
    subprotocol: str | None,
    extensions: str | None,
    request_id: str,
    set_cookies: tuple[str, ...],
) -> bytes:
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {offer.accept}",
        f"X-Request-Id: {request_id}",
        *(f"Set-Cookie: {value}" for value in set_cookies),
    ]
    if subprotocol is not None:
        lines.append(f"Sec-WebSocket-Protocol: {subprotocol}")
    if extensions is not None:
        lines.append(f"Sec-WebSocket-Extensions: {extensions}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
