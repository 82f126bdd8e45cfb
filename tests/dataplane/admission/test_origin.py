"""Which pages may open a session, by the way their token came."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate_dataplane.admission.origin import check_origin
from wsgate_dataplane.outcomes.refusal import Refused
from wsgate_dataplane.outcomes.table import Reason

LISTED = ("https://app.example.com", "http://localhost:3000", "*.apps.example.com")
HOSTS = ("ws.example.com",)


def passes(
    origin: str | None, allowed: tuple[str, ...] = (), hosts: tuple[str, ...] = HOSTS, *, cookie: bool
) -> bool:
    try:
        check_origin(origin, allowed, hosts, token_is_cookie=cookie)
    except Refused as refused:
        assert refused.reason is Reason.ORIGIN_NOT_LISTED
        return False
    return True


@pytest.mark.parametrize("origin", [None, "null", "https://evil.example", "https://ws.example.com.evil.example"])
def test_defect_14_no_configuration_admits_a_cookie_only_from_the_routes_own_origin(origin: str | None) -> None:
    # The original let any page use the browser's cookie: cross-site WebSocket hijacking.
    assert not passes(origin, cookie=True)
    assert not passes(origin, LISTED, cookie=True)
    assert passes("https://ws.example.com", cookie=True)


@pytest.mark.parametrize("origin", [None, "null", "https://evil.example", "not an origin"])
def test_without_a_list_an_explicit_token_is_admitted_from_any_origin(origin: str | None) -> None:
    assert passes(origin, cookie=False)


@pytest.mark.parametrize("cookie", [False, True])
@pytest.mark.parametrize(
    "origin",
    [
        "https://app.example.com",
        "https://APP.Example.com",
        "HTTPS://app.example.com",
        "https://app.example.com:443",
        "http://localhost:3000",
        "https://a.apps.example.com",
        "http://a.b.apps.example.com:8080",
    ],
)
def test_a_listed_origin_passes(origin: str, *, cookie: bool) -> None:
    assert passes(origin, LISTED, cookie=cookie)


@pytest.mark.parametrize("cookie", [False, True])
@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "http://app.example.com",
        "https://app.example.com:444",
        "https://app.example.com.",
        "https://app.example.com/",
        "https://app.example.com.evil.example",
        "https://evil.example/https://app.example.com",
        "https://user@app.example.com",
        "https://evil.example#.apps.example.com",
        "https://evil.example?.apps.example.com",
        "https://evil.example\\.apps.example.com",
        "https://apps.example.com",
        "https://.apps.example.com",
        "https://evilapps.example.com",
        "http://localhost",
        "https://app.example.com https://evil.example",
        "https://app.example.com\n",
        "*.apps.example.com",
    ],
)
def test_what_only_resembles_a_listed_origin_does_not_pass(origin: str, *, cookie: bool) -> None:
    assert not passes(origin, LISTED, cookie=cookie)


def test_with_a_list_the_routes_own_origin_passes_by_every_way_of_the_token() -> None:
    # What a cookie may do, a token that was put there on purpose may do all the more.
    assert passes("https://ws.example.com", LISTED, cookie=True)
    assert passes("https://ws.example.com", LISTED, cookie=False)


def test_with_a_list_an_explicit_token_may_still_come_without_any_origin() -> None:
    # Services and devices send none; only browsers do, and they always do.
    assert passes(None, LISTED, cookie=False)


@pytest.mark.parametrize(
    "origin",
    ["http://ws.example.com", "https://ws.example.com:8443", "https://x.ws.example.com", "wss://ws.example.com"],
)
def test_the_routes_own_origin_is_https_on_the_exact_host_and_default_port(origin: str) -> None:
    assert not passes(origin, cookie=True)


def test_a_default_port_in_the_list_equals_none_in_the_header() -> None:
    assert passes("https://a.test", ("https://a.test:443",), cookie=False)
    assert passes("http://a.test:80", ("http://a.test",), cookie=False)


def test_ipv6_origins_can_be_listed() -> None:
    assert passes("http://[::1]:3000", ("http://[::1]:3000",), cookie=True)


@given(st.text(max_size=40), st.booleans())
def test_any_origin_is_answered_and_none_passes_by_chance(origin: str, cookie: bool) -> None:  # noqa: FBT001  # Hypothesis passes it by name
    assert not passes(origin, ("https://app.example.com",), (), cookie=cookie)
