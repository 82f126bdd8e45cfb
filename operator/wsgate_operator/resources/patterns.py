"""The patterns of our fields in words: what is expected, and how to mend what was written."""

from collections.abc import Callable, Mapping

from wsgate_contract import route, template
from wsgate_operator.resources import metadata, tokenrevocation

Mend = Callable[[str], str]
BRACES = "close each { with a }, and name a claim between them"


def _mend_prefix(found: str) -> str:
    if not found.startswith("/"):
        return 'begin it with "/"'
    if "?" in found or "#" in found:
        return 'leave out what follows "?" or "#"'
    if "//" in found:
        return 'write single slashes: "//" names an empty segment'
    if found.endswith("/"):
        return 'leave out the trailing "/"'
    return "percent-encode characters that a URL path cannot hold"


def _mend_upstream(found: str) -> str:
    if found.startswith(("http://", "https://")):
        return f'write "ws{found[4:]}"'
    if "://" not in found:
        return f'begin it with a scheme: "ws://{found}"'
    if "#" in found:
        return 'leave out what follows "#"'
    if "@" in found:
        return "leave out user and password"
    return "write ws://host:port/path, or wss:// for TLS"


def _mend_url(found: str) -> str:
    if "://" not in found:
        return f'begin it with a scheme: "https://{found}"'
    return "write https://host/path"


def _mend_hostname(found: str) -> str:
    if "://" in found or "/" in found:
        return "leave out scheme and path; a path belongs into spec.prefix"
    if ":" in found:
        return "leave out the port"
    if found != found.lower():
        return f'write it in lower case: "{found.lower()}"'
    if found == "*":
        return "leave spec.hostnames out: that means any host"
    return "write it like chat.example.com or *.example.com"


def _mend_origin(found: str) -> str:
    if found == "*":
        return "list the origins, or use *.example.com"
    if "://" not in found:
        return f'begin it with a scheme: "https://{found}"'
    return "write scheme, host and port only, without a path or a trailing slash"


def _mend_sha256(found: str) -> str:
    if found != found.lower():
        return "write it in lower case"
    return "printf %s HEADER.PAYLOAD | sha256sum prints it"


def _mend_client_id(found: str) -> str:
    for word in ("Keep", "Prefix"):
        if found.lower() == word.lower():
            return f'write "{word}"'
    if "{" not in found and "}" not in found:
        return "put a claim into it, such as {sub}: without one all clients get the same id"
    return BRACES


def _fixed(fix: str) -> Mend:
    return lambda _found: fix


_ADVICE: Mapping[str, tuple[str, Mend]] = {
    route.PREFIX_PATTERN: ("a path such as /chat", _mend_prefix),
    route.UPSTREAM_PATTERN: ("a WebSocket URL such as ws://chat:8080/ws", _mend_upstream),
    route.HTTP_URL_PATTERN: ("a URL such as https://id.example.com/keys", _mend_url),
    route.HOSTNAME_PATTERN: ("a host name such as chat.example.com or *.example.com", _mend_hostname),
    route.ORIGIN_PATTERN: ("an origin such as https://app.example.com or *.example.com", _mend_origin),
    route.HEADER_PATTERN: (
        "a header name such as X-User",
        _fixed("use letters, digits and dashes, a letter first"),
    ),
    route.SECRET_NAME_PATTERN: (
        "the name of a Secret",
        _fixed("use lower case letters, digits, dashes and dots"),
    ),
    metadata.NAME_PATTERN: (
        "a Kubernetes object name such as chat-route",
        _fixed("use lower case letters, digits, dashes and dots, a letter or digit first and last"),
    ),
    metadata.LABEL_PATTERN: (
        "a Kubernetes name such as team-a",
        _fixed("use lower case letters, digits and dashes, a letter or digit first and last"),
    ),
    route.CLAIM_PATTERN: (
        "a dotted path of at most 8 segments such as realm_access.roles",
        _fixed(
            "use at most 8 segments, each with dots, colons or slashes in double quotes: "
            '"https://example.com/roles"'
        ),
    ),
    template.CLIENT_ID_PATTERN: ("Keep, Prefix or a template such as {sub}-{clientID}", _mend_client_id),
    template.TEMPLATE_PATTERN: (
        "a template such as {preferred_username}",
        _fixed(BRACES),
    ),
    metadata.DATE_TIME_PATTERN: (
        "an RFC 3339 date and time such as 2026-01-31T18:00:00Z",
        _fixed("write date, T, time and Z or an offset"),
    ),
    tokenrevocation.SHA256_PATTERN: ("64 hexadecimal digits in lower case", _mend_sha256),
}


def advise(pattern: str, found: str) -> tuple[str, str]:
    """What the pattern expects, and how to mend the text that it refused."""
    expected, mend = _ADVICE.get(pattern, (f"text that matches {pattern}", _fixed("change it to match")))
    return expected, mend(found)
