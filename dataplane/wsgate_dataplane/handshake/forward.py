"""What the upstream and the client are sent: the request upstream and the 101."""

from collections.abc import Container

from wsgate_contract.headers import is_reserved, plain
from wsgate_contract.route import Route
from wsgate_dataplane.handshake.request import Headers, Request, WebSocketOffer
from wsgate_dataplane.identity.sources import real_subprotocols, strip_cookie
from wsgate_dataplane.outcomes.refusal import Refused
from wsgate_dataplane.outcomes.table import Reason
from wsgate_dataplane.protocols.detect import MQTT_SUBPROTOCOLS, Protocol, mqtt_subprotocol
from wsgate_dataplane.upstreams.answer import Answer
from wsgate_dataplane.upstreams.dial import Target
from wsgate_dataplane.values import changed

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


def upstream_offer(route: Route, protocol: Protocol, offer: WebSocketOffer) -> WebSocketOffer:
    """The part of the client's offer that the upstream sees."""
    subprotocols = offer.subprotocols
    if "SubProtocol" in route.auth.token_sources:
        subprotocols = real_subprotocols(subprotocols)
    if protocol == "raw":
        passed = subprotocols if route.copy_sub_protocol else ()
        return offer if passed == offer.subprotocols else changed(offer, subprotocols=passed)
    # Without its own subprotocol a broker refuses the session (MQTT 5, 6.0), whatever the client forgot to offer.
    own = mqtt_subprotocol(subprotocols) or MQTT_SUBPROTOCOLS[0]
    if not route.copy_sub_protocol:
        subprotocols = (own,)
    elif own not in subprotocols:
        subprotocols = (*subprotocols, own)
    return changed(offer, subprotocols=subprotocols, extensions=())


def in_band_offer(route: Route, protocol: Protocol, offer: WebSocketOffer) -> WebSocketOffer:
    """The same for a client that has its 101 already: what it was told is all that is left to ask for."""
    echoed = echoed_subprotocol(protocol, offer)
    told = changed(offer, subprotocols=() if echoed is None else (echoed,), extensions=())
    return upstream_offer(route, protocol, told)


def echoed_subprotocol(protocol: Protocol, offer: WebSocketOffer) -> str | None:
    """What a client is answered with where the upstream does not choose: browsers fail a 101 without one."""
    offered = real_subprotocols(offer.subprotocols)
    own = mqtt_subprotocol(offered) if protocol == "mqtt" else None
    return own or next(iter(offered), None)


def upstream_head(
    path: str,
    route: Route,
    target: Target,
    request: Request,
    sent: WebSocketOffer,
    cookie_name: str | None,
    passed: Container[str],
    identity: Headers = (),
    *,
    is_checked: bool,
) -> bytes:
    """The request for path (with its query), its blank line included. Names and values hold no line breaks.

    Of the client's headers those of passed_headers; the cookie of that name stays out (see Admitted.token_cookie).
    sent: see upstream_offer; identity: what the token says, see identity_headers; is_checked: an Authorization
    header is what the gateway has checked, or the route asks for nothing.
    """
    host = request.one("host") or ""
    lines = [
        f"GET {path} HTTP/1.1\r\n"
        f"Host: {host if route.host_header == 'Original' else target.host_header}\r\n"
        "Upgrade: websocket\r\n"
        "Connection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {sent.key}\r\n"
        f"X-Request-Id: {request.request_id}\r\n"
        f"X-Forwarded-For: {request.address}\r\n"
        f"X-Forwarded-Host: {host}\r\n"
        f"X-Forwarded-Proto: {'https' if request.is_secure else 'http'}\r\n"
        f"Via: {''.join([f'{hop}, ' for hop in request.all('via')])}1.1 {VIA_NAME}\r\n"
    ]
    if sent.subprotocols:
        lines.append(f"Sec-WebSocket-Protocol: {', '.join(sent.subprotocols)}\r\n")
    if sent.extensions:
        lines.append(f"Sec-WebSocket-Extensions: {', '.join(sent.extensions)}\r\n")
    lines += [f"{name}: {value}\r\n" for name, value in identity]
    authorization = is_checked and route.auth.forward.authorization == "Forward"
    for name, value in request.headers:
        lowered = name.lower()
        if lowered not in passed:
            continue
        if lowered == "cookie":
            rest = strip_cookie(value, cookie_name) if cookie_name else value
            if rest:
                lines.append(f"{name}: {rest}\r\n")
        elif authorization or lowered != "authorization":
            lines.append(f"{name}: {value}\r\n")
    return ("".join(lines) + "\r\n").encode("utf-8", "surrogateescape")


def passed_headers(route: Route) -> frozenset[str]:
    """Names, in lower case, of the client's headers that may go upstream: two have rules of their own."""
    forward = route.auth.forward
    asked = (header.lower() for header in forward.request_headers)
    identity = {forward.roles.header.lower(), *(each.header.lower() for each in forward.claim_to_headers)}
    return frozenset({*PASSED, *filter(_may_pass, asked)} - identity | {"authorization", "cookie"})


def _may_pass(name: str) -> bool:
    # Upstreams believe the roles' usual header whatever this route calls its own.
    return not is_reserved(name) and plain(name) != "x-user-roles"


def switching_protocols(
    route: Route, protocol: Protocol, offer: WebSocketOffer, answer: Answer, request_id: str
) -> bytes:
    """The 101 to the client, after the upstream's."""
    subprotocol = answer.subprotocol if route.copy_sub_protocol else echoed_subprotocol(protocol, offer)
    if subprotocol not in offer.subprotocols:
        # The gateway's own offer to a broker.
        subprotocol = None
    return _head(offer, subprotocol, answer.extensions, request_id, answer.set_cookies)


def switching_protocols_early(protocol: Protocol, offer: WebSocketOffer, request_id: str) -> bytes:
    """The 101 to a client whose upstream has not been asked, or never will be."""
    return _head(offer, echoed_subprotocol(protocol, offer), None, request_id, ())


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
        *[f"Set-Cookie: {value}" for value in set_cookies],
    ]
    if subprotocol is not None:
        lines.append(f"Sec-WebSocket-Protocol: {subprotocol}")
    if extensions is not None:
        lines.append(f"Sec-WebSocket-Extensions: {extensions}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
