"""Each pattern says what it expects and how to mend what was written."""

from typing import Any

import pytest

from wsgate_contract import route, template
from wsgate_operator.resources import metadata, tokenrevocation
from wsgate_operator.resources.patterns import advise
from wsgate_operator.resources.tokenrevocation import TokenRevocationSpec
from wsgate_operator.resources.wsroute import WsRouteSpec


@pytest.mark.parametrize(
    ("pattern", "found", "fix"),
    [
        (route.PREFIX_PATTERN, "chat", 'begin it with "/"'),
        (route.PREFIX_PATTERN, "/chat/", 'leave out the trailing "/"'),
        (route.PREFIX_PATTERN, "/a?b", 'leave out what follows "?" or "#"'),
        (route.PREFIX_PATTERN, "/a//b", 'write single slashes: "//" names an empty segment'),
        (route.PREFIX_PATTERN, "/ü", "percent-encode characters that a URL path cannot hold"),
        (route.UPSTREAM_PATTERN, "http://a:1", 'write "ws://a:1"'),
        (route.UPSTREAM_PATTERN, "https://a", 'write "wss://a"'),
        (route.UPSTREAM_PATTERN, "chat:8080", 'begin it with a scheme: "ws://chat:8080"'),
        (route.UPSTREAM_PATTERN, "ws://u:p@a", "leave out user and password"),
        (route.UPSTREAM_PATTERN, "ws://a#b", 'leave out what follows "#"'),
        (route.UPSTREAM_PATTERN, "tcp://a", "write ws://host:port/path, or wss:// for TLS"),
        (route.HTTP_URL_PATTERN, "id.example.com", 'begin it with a scheme: "https://id.example.com"'),
        (route.HTTP_URL_PATTERN, "ftp://a", "write https://host/path"),
        (route.HOSTNAME_PATTERN, "Chat.example.com", 'write it in lower case: "chat.example.com"'),
        (route.HOSTNAME_PATTERN, "a.b:443", "leave out the port"),
        (route.HOSTNAME_PATTERN, "https://a", "leave out scheme and path; a path belongs into spec.prefix"),
        (route.HOSTNAME_PATTERN, "*", "leave spec.hostnames out: that means any host"),
        (route.HOSTNAME_PATTERN, "a..b", "write it like chat.example.com or *.example.com"),
        (route.ORIGIN_PATTERN, "*", "list the origins, or use *.example.com"),
        (route.ORIGIN_PATTERN, "app.example.com", 'begin it with a scheme: "https://app.example.com"'),
        (
            route.ORIGIN_PATTERN,
            "https://a/",
            "write scheme, host and port only, without a path or a trailing slash",
        ),
        (
            route.CLAIM_PATTERN,
            "a.b.c.d.e.f.g.h.i",
            "use at most 8 segments, each with dots, colons or slashes in double quotes: "
            '"https://example.com/roles"',
        ),
        (tokenrevocation.SHA256_PATTERN, "AB", "write it in lower case"),
        (tokenrevocation.SHA256_PATTERN, "ab", "printf %s HEADER.PAYLOAD | sha256sum prints it"),
        (metadata.DATE_TIME_PATTERN, "yesterday", "write date, T, time and Z or an offset"),
        (template.CLIENT_ID_PATTERN, "prefix", 'write "Prefix"'),
        (
            template.CLIENT_ID_PATTERN,
            "robot",
            "put a claim into it, such as {sub}: without one all clients get the same id",
        ),
        (template.CLIENT_ID_PATTERN, "{sub", "close each { with a }, and name a claim between them"),
        (template.TEMPLATE_PATTERN, "{}", "close each { with a }, and name a claim between them"),
        ("^unlisted$", "x", "change it to match"),
    ],
)
def test_a_refused_text_comes_with_its_mend(pattern: str, found: str, fix: str) -> None:
    expected, mended = advise(pattern, found)
    assert expected
    assert mended == fix


@pytest.mark.parametrize("model", [WsRouteSpec, TokenRevocationSpec])
def test_no_field_shows_its_pattern_to_people(model: type[WsRouteSpec | TokenRevocationSpec]) -> None:
    patterns = set(patterns_in(model.model_json_schema()))
    assert patterns
    assert [pattern for pattern in patterns if pattern in advise(pattern, "")[0]] == []


def patterns_in(schema: Any) -> list[str]:
    if isinstance(schema, list):
        return [pattern for part in schema for pattern in patterns_in(part)]
    if not isinstance(schema, dict):
        return []
    own = schema.get("pattern")
    return [*([own] if isinstance(own, str) else []), *patterns_in(list(schema.values()))]
