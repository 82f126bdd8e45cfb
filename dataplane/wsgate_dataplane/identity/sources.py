"""Where a token may stand in a handshake, and which one counts."""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NamedTuple

from wsgate_contract.route import TokenSource
from wsgate_dataplane.admission.wording import expected
from wsgate_dataplane.outcomes.refusal import Refused
from wsgate_dataplane.outcomes.table import Reason

_BLANK = " \t"


class Credential(NamedTuple):
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
    values_of: HeaderValues, cookie_name: str, sources: Collection[TokenSource]
) -> Credential | None:
    """The one token of a handshake among the route's enabled sources.

    Raises Refused(CREDENTIALS_AMBIGUOUS): picking one of two
    would let a proxy and this gateway disagree about who the client is.
    """
    if "Header" in sources and (token := _bearer(values_of("authorization"))) is not None:
        return Credential(token, "Header", is_explicit=True)
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
