"""Where a token may stand, and which one counts."""

from collections.abc import Callable, Collection, Iterator, Sequence
from urllib.parse import unquote, unquote_plus

from wsgate_contract.route import TokenSource
from wsgate_dataplane.admission.wording import expected
from wsgate_dataplane.identity.compact import base64url_bytes
from wsgate_dataplane.identity.strict_json import StrictJSONError, parse_object
from wsgate_dataplane.outcomes.refusal import Refused
from wsgate_dataplane.outcomes.table import Reason
from wsgate_dataplane.values import value

QUERY_NAMES = frozenset({"access_token", "token"})
"""Parameters that carry a token: RFC 6750 2.3, and the usual short form."""
MESSAGE_MEMBERS = ("token", "access_token")
"""Members of a first message in JSON that carry a token."""
BEARER = "bearer."
BEARER_IN_BASE64URL = "base64url.bearer.authorization.k8s.io."
TOKEN_SUBPROTOCOLS = (BEARER, BEARER_IN_BASE64URL)
"""How browsers, which cannot set headers, bring a token into the handshake; such a subprotocol is never echoed."""

_BLANK = " \t"


@value
class Credential:
    """A token and where it stood; the token stays out of repr."""

    token: str
    source: TokenSource
    is_explicit: bool
    """Put there by code that has the token; a cookie is sent by the browser on its own."""

    def __repr__(self) -> str:
        return f"Credential(source={self.source!r})"


HeaderValues = Callable[[str], Sequence[str]]
"""Every value of the header with this lower-case name, in order, duplicates included."""


def find_credential(
    values_of: HeaderValues, query: str, cookie_name: str, sources: Collection[TokenSource]
) -> Credential | None:
    """The one token of a handshake among the route's enabled sources; query: the client's, as sent.

    Raises Refused: CREDENTIALS_AMBIGUOUS, since picking one of two would let a proxy and this gateway disagree
    about who the client is; TOKEN_MALFORMED, SUBPROTOCOL_MISSING.
    """
    found: list[Credential] = []
    if "Header" in sources and (token := _bearer(values_of("authorization"))) is not None:
        found.append(Credential(token, "Header", is_explicit=True))
    if "Query" in sources:
        found += [Credential(token, "Query", is_explicit=True) for token in _query_tokens(query)]
    if "SubProtocol" in sources:
        tokens = _subprotocol_tokens(values_of("sec-websocket-protocol"))
        found += [Credential(token, "SubProtocol", is_explicit=True) for token in tokens]
    if len(found) > 1:
        places = ", ".join(each.source for each in found)
        raise Refused(Reason.CREDENTIALS_AMBIGUOUS, expected("one token", places))
    if found:
        return found[0]
    if "Cookie" in sources and (token := _cookie(values_of("cookie"), cookie_name)) is not None:
        return Credential(token, "Cookie", is_explicit=False)
    return None


def _bearer(values: Sequence[str]) -> str | None:
    if len(values) > 1:
        raise Refused(Reason.CREDENTIALS_AMBIGUOUS, expected("one Authorization header", len(values)))
    if not values:
        return None
    scheme, _, token = values[0].strip(_BLANK).partition(" ")
    # Another scheme, such as Basic, is for the upstream.
    return token.strip(_BLANK) if scheme.lower() == "bearer" else None


def _query_tokens(query: str) -> list[str]:
    pairs = (pair.partition("=") for pair in query.split("&"))
    return [unquote(value) for name, _, value in pairs if unquote_plus(name) in QUERY_NAMES]


def strip_query(query: str) -> str:
    """The query without every parameter that may carry a token, the rest as it was."""
    pairs = query.split("&")
    return "&".join(pair for pair in pairs if unquote_plus(pair.partition("=")[0]) not in QUERY_NAMES)


def _subprotocol_tokens(headers: Sequence[str]) -> list[str]:
    offered = [item.strip(_BLANK) for header in headers for item in header.split(",")]
    tokens = [_subprotocol_token(each) for each in offered if each.startswith(TOKEN_SUBPROTOCOLS)]
    if tokens and len(tokens) == len(offered):
        raise Refused(Reason.SUBPROTOCOL_MISSING, "the only subprotocol offered is the one with the token")
    return tokens


def _subprotocol_token(offered: str) -> str:
    if offered.startswith(BEARER):
        return offered.removeprefix(BEARER)
    try:
        return base64url_bytes(offered.removeprefix(BEARER_IN_BASE64URL)).decode("ascii")
    except ValueError:
        raise Refused(Reason.TOKEN_MALFORMED, "the subprotocol holds no token in base64url") from None


def password_token(password: bytes | None) -> str:
    """The token in an MQTT CONNECT packet's password.

    Raises Refused: TOKEN_MISSING, TOKEN_MALFORMED.
    """
    if not password:
        raise Refused(Reason.TOKEN_MISSING, "the CONNECT packet has no password")
    return _ascii(password, "the password")


def message_token(payload: bytes) -> str:
    """The token in a first message: the whole of it, or the member `token` or `access_token` of a JSON object.

    Raises Refused: TOKEN_MISSING, TOKEN_MALFORMED, CREDENTIALS_AMBIGUOUS.
    """
    text = payload.strip(b" \t\r\n")
    if not text.startswith(b"{"):
        if not text:
            raise Refused(Reason.TOKEN_MISSING, "the first message is empty")
        return _ascii(text, "the first message")
    try:
        members = parse_object(text)
    except StrictJSONError as error:
        raise Refused(Reason.TOKEN_MALFORMED, f"the first message is not a JSON object: {error}") from None
    found = [members[name] for name in MESSAGE_MEMBERS if name in members]
    if not found:
        raise Refused(Reason.TOKEN_MISSING, f"the first message has none of {', '.join(MESSAGE_MEMBERS)}")
    if len(found) > 1:
        raise Refused(Reason.CREDENTIALS_AMBIGUOUS, expected("one token", " and ".join(MESSAGE_MEMBERS)))
    if not isinstance(found[0], str):
        raise Refused(Reason.TOKEN_MALFORMED, expected("the token as a string", found[0]))
    return found[0]


def _ascii(token: bytes, where: str) -> str:
    try:
        return token.decode("ascii")
    except UnicodeDecodeError:
        raise Refused(Reason.TOKEN_MALFORMED, f"{where} holds bytes that are in no token") from None


def real_subprotocols(offered: Sequence[str]) -> tuple[str, ...]:
    """Those that are not a token in disguise."""
    return tuple(each for each in offered if not each.startswith(TOKEN_SUBPROTOCOLS))


def _cookie(headers: Sequence[str], cookie_name: str) -> str | None:
    found = {value for header in headers for name, value in split_cookies(header) if name == cookie_name}
    if len(found) > 1:
        wanted = f"one value of the cookie {cookie_name}"
        raise Refused(Reason.CREDENTIALS_AMBIGUOUS, expected(wanted, len(found)))
    # An application logs out by emptying the cookie: that is no token, not a broken one.
    return next(iter(found), None) or None


def split_cookies(header: str) -> Iterator[tuple[str, str]]:
    """Name and value of each pair.

    By hand: http.cookies stops at the first pair that it dislikes, so that another application's
    cookie could hide the token or a second copy of it.
    """
    for pair in header.split(";"):
        name, equals, value = pair.partition("=")
        if equals:
            yield name.strip(_BLANK), _unquoted(value.strip(_BLANK))


def _unquoted(value: str) -> str:
    is_quoted = len(value) >= 2 and value.startswith('"') and value.endswith('"')
    return value[1:-1] if is_quoted else value


def strip_cookie(cookie_header: str, name: str) -> str | None:
    """The header without every cookie of that name, the rest as it was; None where nothing is left."""
    kept = [pair for pair in cookie_header.split(";") if pair.partition("=")[0].strip(_BLANK) != name]
    return ";".join(kept).strip(_BLANK) or None
