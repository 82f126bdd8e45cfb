"""Whether a browser's page may open a session: the Origin header against the route's list."""

import re
from dataclasses import dataclass
from functools import lru_cache

from wsgate_dataplane.admission.wording import expected
from wsgate_dataplane.outcomes.refusal import Refused
from wsgate_dataplane.outcomes.table import Reason

DEFAULT_PORTS = {"http": 80, "https": 443}

_ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*)://([a-z0-9_.-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?")


@dataclass(frozen=True)
class _Origin:
    """A tuple origin (RFC 6454 4); the opaque `null` has no such form."""

    scheme: str
    host: str
    port: int | None


@lru_cache(maxsize=1024)
def _parse(text: str) -> _Origin | None:
    found = _ORIGIN.fullmatch(text.lower())
    if found is None:
        return None
    scheme, host, port = found.groups()
    return _Origin(scheme, host, int(port) if port else DEFAULT_PORTS.get(scheme))


def check_origin(
    origin: str | None, allowed: tuple[str, ...], hostnames: tuple[str, ...], *, token_is_cookie: bool
) -> None:
    """Raises Refused(ORIGIN_NOT_LISTED).

    allowed: the route's or the environment's list; hostnames: the route's exact ones. A browser sends
    cookies from any page, so a cookie alone proves nothing about who asks (cross-site hijacking):
    it needs an Origin that is listed or the route's own. An explicit token was put there by code
    that has it, so without a list any Origin will do, and with one the route's own as well.
    """
    if origin is None:
        if token_is_cookie:
            raise Refused(Reason.ORIGIN_NOT_LISTED, expected("an Origin beside a token in a cookie", None))
        return
    if not allowed and not token_is_cookie:
        return
    found = _parse(origin)
    if found is not None:
        if _is_own(found, hostnames) or any(_is_match(found, entry) for entry in allowed):
            return
    own = [f"https://{host}" for host in hostnames]
    listed = f"an Origin of {[*allowed, *own]}" if allowed or own else "a listed Origin, but none is listed"
    raise Refused(Reason.ORIGIN_NOT_LISTED, expected(listed, origin))


def _is_match(origin: _Origin, entry: str) -> bool:
    if entry.startswith("*."):
        suffix = entry[1:].lower()
        return origin.host.endswith(suffix) and origin.host != suffix
    return origin == _parse(entry)


def _is_own(origin: _Origin, hostnames: tuple[str, ...]) -> bool:
    return origin.scheme == "https" and origin.port == DEFAULT_PORTS["https"] and origin.host in hostnames
