"""A route cannot say what contradicts itself."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from wsgate_contract.route import (
    CLAIM_PATTERN,
    HOSTNAME_PATTERN,
    PREFIX_PATTERN,
    UPSTREAM_PATTERN,
    Route,
    RoutePolicy,
)

BASE = {"namespace": "default", "name": "chat", "prefix": "/chat"}


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"upstream": "ws://a", "upstreams": [{"url": "ws://b"}]},
        {"upstreams": []},
        {"upstream": "http://a"},
        {"upstream": "ws://a", "auth": {"expiry": {"mode": "Session"}}},
        {
            "upstream": "ws://a",
            "auth": {
                "providers": [{"issuer": "i", "audiences": ["a"], "jwks": {"uri": "https://a", "inline": "{}"}}]
            },
        },
        {"upstream": "ws://a", "auth": {"providers": [{"issuer": "i", "audiences": []}]}},
        {"upstream": "ws://a", "unknown": 1},
        {"upstream": "ws://a", "auth": {"claims": [{"claim": "a.b.c.d.e.f.g.h.i", "anyOf": ["x"]}]}},
        {"upstream": "ws://a", "timeouts": {"connectSeconds": 61}},
        {"upstream": "ws://a", "timeouts": {"handshakeSeconds": 61}},
        {"upstream": "ws://a", "timeouts": {"writeSeconds": 61}},
        {"upstream": "ws://a", "rateLimit": {}},
        {"upstream": "ws://a", "rateLimit": {"onExceed": "Close"}},
        {"upstream": "ws://a", "rateLimit": {"bytesPerSecond": 1000, "burst": 5}},
    ],
)
def test_a_contradiction_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Route.from_document({**BASE, **change})


def test_both_forms_of_upstream_give_targets() -> None:
    one = Route.from_document({**BASE, "upstream": "ws://a"})
    assert [(target.url, target.weight) for target in one.targets] == [("ws://a", 1)]
    several = Route.from_document({**BASE, "upstreams": [{"url": "ws://a", "weight": 3}, {"url": "ws://b"}]})
    assert [(target.url, target.weight) for target in several.targets] == [("ws://a", 3), ("ws://b", 1)]


def test_a_route_is_named_by_namespace_and_name() -> None:
    assert Route.from_document({**BASE, "upstream": "ws://a"}).key == "default/chat"


@given(
    st.from_regex(PREFIX_PATTERN, fullmatch=True).filter(lambda text: len(text) <= 512),
    st.from_regex(UPSTREAM_PATTERN, fullmatch=True).filter(lambda text: len(text) <= 2048),
    st.lists(st.from_regex(HOSTNAME_PATTERN, fullmatch=True).filter(lambda t: len(t) <= 253), max_size=3),
)
def test_what_a_route_says_survives_its_document(prefix: str, upstream: str, hosts: list[str]) -> None:
    # Python's $ matches before a last newline, pydantic's does not.
    document = {**BASE, "prefix": prefix, "upstream": upstream, "hostnames": hosts}
    if any(text.endswith("\n") for text in (prefix, upstream, *hosts)):
        return
    route = Route.from_document(document)
    assert Route.from_document(route.to_document()) == route


@pytest.mark.parametrize("prefix", ["", "chat", "/chat/", "//", "/a//b", "/a?b", "/a#b", "/a b", "/ä", "/a\n"])
def test_a_prefix_is_a_clean_path(prefix: str) -> None:
    with pytest.raises(ValidationError):
        Route.from_document({**BASE, "upstream": "ws://a", "prefix": prefix})


def test_every_field_has_words_for_its_meaning() -> None:
    assert all(field.description for field in RoutePolicy.model_fields.values())


def test_patterns_work_in_the_api_servers_dialect_too() -> None:
    # RE2 knows neither lookaround nor backreferences.
    for pattern in (PREFIX_PATTERN, UPSTREAM_PATTERN, HOSTNAME_PATTERN, CLAIM_PATTERN):
        assert not re.search(r"\(\?[=!<]|\\[1-9]", pattern)
