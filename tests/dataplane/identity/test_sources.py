"""Where a token is found, and when two are one too many."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate_contract.route import TokenSource
from wsgate_dataplane.identity.sources import Credential, find_credential, strip_cookie, strip_query
from wsgate_dataplane.outcomes.refusal import Refused
from wsgate_dataplane.outcomes.table import Reason

BOTH: tuple[TokenSource, ...] = ("Header", "Cookie")


def found(
    *headers: tuple[str, str], query: str = "", sources: tuple[TokenSource, ...] = BOTH
) -> Credential | None:
    def values_of(name: str) -> list[str]:
        return [value for given, value in headers if given.lower() == name]

    return find_credential(values_of, query, "session", sources)


def test_a_bearer_token_is_explicit_and_a_cookie_is_not() -> None:
    assert found(("Authorization", "Bearer t")) == Credential("t", "Header", is_explicit=True)
    assert found(("Cookie", "session=t")) == Credential("t", "Cookie", is_explicit=False)


@pytest.mark.parametrize(
    "value", ["bearer t", "BEARER t", "Bearer  t", "Bearer t ", " Bearer\tt".replace("\t", " ")]
)
def test_the_scheme_has_any_case_and_blanks_around_the_token_do_not_count(value: str) -> None:
    assert found(("aUTHORIZATION", value)) == Credential("t", "Header", is_explicit=True)


@pytest.mark.parametrize("value", ["Basic dTpw", "Bearertoken", "Digest x", "", "t"])
def test_another_scheme_is_not_ours_so_that_the_cookie_counts(value: str) -> None:
    assert found(("Authorization", value)) is None
    assert found(("Authorization", value), ("Cookie", "session=t")) == Credential("t", "Cookie", is_explicit=False)


@pytest.mark.parametrize(
    ("value", "token"), [("Bearer", ""), ("Bearer ", ""), ("Bearer a, Bearer b", "a, Bearer b")]
)
def test_a_broken_bearer_is_a_broken_token_and_never_falls_back_to_the_cookie(value: str, token: str) -> None:
    assert found(("Authorization", value), ("Cookie", "session=t")) == Credential(
        token, "Header", is_explicit=True
    )


@pytest.mark.parametrize("second", ["Bearer a", "Bearer b", "Basic dTpw", ""])
def test_two_authorization_headers_are_ambiguous_even_when_equal(second: str) -> None:
    with pytest.raises(Refused) as refused:
        found(("Authorization", "Bearer a"), ("authorization", second))
    assert refused.value.reason is Reason.CREDENTIALS_AMBIGUOUS


def test_a_cookie_counts_only_where_no_explicit_token_is() -> None:
    headers = (("Cookie", "session=c; session=d"), ("Authorization", "Bearer h"))
    assert found(*headers) == Credential("h", "Header", is_explicit=True)


@pytest.mark.parametrize(
    "headers",
    [
        [("Cookie", "session=a; session=b")],
        [("Cookie", "session=a"), ("cookie", "session=b")],
        [("Cookie", "session=a; session=")],
    ],
)
def test_two_values_of_the_tokens_cookie_are_ambiguous(headers: list[tuple[str, str]]) -> None:
    with pytest.raises(Refused) as refused:
        found(*headers)
    assert refused.value.reason is Reason.CREDENTIALS_AMBIGUOUS
    assert found(*headers, sources=("Header",)) is None


def test_one_value_twice_is_one_cookie() -> None:
    assert found(("Cookie", "session=t; a=b; session=t")) == Credential("t", "Cookie", is_explicit=False)


@pytest.mark.parametrize(
    "cookies",
    [
        "session=t",
        'session="t"',
        " session = t ",
        "a=b;session=t;c=d",
        "bad name=1; session=t",
        "x=[1,2]; session=t; y={",
        ";;; session=t",
        "novalue; session=t",
        'q="a; session=t',
        "Session=other; session=t",
    ],
)
def test_other_cookies_never_hide_the_token(cookies: str) -> None:
    assert found(("Cookie", cookies)) == Credential("t", "Cookie", is_explicit=False)


@pytest.mark.parametrize(
    "cookies", ["", "session", "session=", 'session=""', "sessions=t", "a=session=t", "SESSION=t"]
)
def test_an_empty_or_similar_cookie_is_no_token(cookies: str) -> None:
    assert found(("Cookie", cookies)) is None


def test_a_source_that_the_route_does_not_enable_is_not_looked_at() -> None:
    headers = (("Authorization", "Bearer h"), ("Authorization", "Bearer i"), ("Cookie", "session=c"))
    assert found(*headers, sources=("Cookie",)) == Credential("c", "Cookie", is_explicit=False)
    assert found(("Cookie", "session=c"), sources=("Header",)) is None
    assert found(*headers, sources=("FirstMessage",)) is None


def test_a_token_stays_out_of_its_credentials_repr() -> None:
    assert "secret" not in repr(Credential("secret", "Header", is_explicit=True))


@pytest.mark.parametrize(
    ("header", "left"),
    [
        ("session=t", None),
        ("session=t; session=u", None),
        ("a=b; session=t", "a=b"),
        ("session=t; a=b", "a=b"),
        ("a=b; session=t; c=d", "a=b; c=d"),
        ('a="x y"; session=t;c', 'a="x y";c'),
        ("sessions=t; xsession=t", "sessions=t; xsession=t"),
        (" session =t; a=b", "a=b"),
        ("session; a=b", "a=b"),
        ("", None),
    ],
)
def test_only_the_tokens_cookie_is_taken_out(header: str, left: str | None) -> None:
    assert strip_cookie(header, "session") == left


@given(st.text(alphabet='session=t;," ', max_size=40))
def test_no_token_is_left_after_it_was_taken_out(header: str) -> None:
    assert found(("Cookie", strip_cookie(header, "session") or "")) is None


@given(st.lists(st.tuples(st.sampled_from(["Authorization", "Cookie", "X"]), st.text(max_size=30)), max_size=4))
def test_any_headers_give_a_credential_none_or_a_refusal(headers: list[tuple[str, str]]) -> None:
    try:
        found(*headers)
    except Refused as refused:
        assert refused.reason is Reason.CREDENTIALS_AMBIGUOUS


@pytest.mark.parametrize(
    "query",
    ["access_token=a.b.c", "token=a.b.c", "x=1&access_token=a.b.c&y", "access%5ftoken=a.b.c", "token=a%2Eb%2ec"],
)
def test_a_token_in_the_query_is_explicit(query: str) -> None:
    sources: tuple[TokenSource, ...] = ("Query", "Cookie")
    assert found(("Cookie", "session=t"), query=query, sources=sources) == Credential(
        "a.b.c", "Query", is_explicit=True
    )


@pytest.mark.parametrize("query", ["", "x=token", "tokens=t", "Token=t", "x=1;token=t", "&&"])
def test_a_query_without_the_parameter_holds_no_token(query: str) -> None:
    assert found(query=query, sources=("Query",)) is None


def test_a_query_is_not_looked_at_unless_the_route_enables_it() -> None:
    assert found(query="token=t&token=u") is None


@pytest.mark.parametrize("query", ["token=t&token=t", "token=t&access_token=t", "token=&token"])
def test_two_tokens_in_the_query_are_ambiguous(query: str) -> None:
    with pytest.raises(Refused) as refused:
        found(query=query, sources=("Query",))
    assert refused.value.reason is Reason.CREDENTIALS_AMBIGUOUS


def test_an_empty_parameter_is_a_broken_token_as_an_empty_bearer_is() -> None:
    assert found(query="token=", sources=("Query",)) == Credential("", "Query", is_explicit=True)


def test_tokens_by_two_explicit_sources_are_ambiguous_and_a_cookie_beside_them_is_not() -> None:
    every: tuple[TokenSource, ...] = ("Header", "Cookie", "Query", "SubProtocol")
    header, cookie = ("Authorization", "Bearer t"), ("Cookie", "session=t")
    subprotocol = ("Sec-WebSocket-Protocol", "bearer.t, chat")
    for headers, query in (((header,), "token=t"), ((subprotocol,), "token=t"), ((header, subprotocol), "")):
        with pytest.raises(Refused) as refused:
            found(*headers, query=query, sources=every)
        assert refused.value.reason is Reason.CREDENTIALS_AMBIGUOUS
        assert "Query" in refused.value.detail or "Header, SubProtocol" in refused.value.detail
    assert found(subprotocol, cookie, sources=every) == Credential("t", "SubProtocol", is_explicit=True)


@pytest.mark.parametrize(
    "offered", ["bearer.a.b.c, chat", "chat,bearer.a.b.c", "chat, base64url.bearer.authorization.k8s.io.YS5iLmM"]
)
def test_a_subprotocol_carries_a_token_beside_a_real_one(offered: str) -> None:
    credential = found(("Sec-WebSocket-Protocol", offered), sources=("SubProtocol",))
    assert credential == Credential("a.b.c", "SubProtocol", is_explicit=True)
    assert found(("Sec-WebSocket-Protocol", offered)) is None


@pytest.mark.parametrize(
    ("offered", "reason"),
    [
        ("bearer.t", Reason.SUBPROTOCOL_MISSING),
        ("bearer.t, bearer.u", Reason.SUBPROTOCOL_MISSING),
        ("bearer.t, bearer.u, chat", Reason.CREDENTIALS_AMBIGUOUS),
        ("chat, base64url.bearer.authorization.k8s.io.A", Reason.TOKEN_MALFORMED),
        ("chat, base64url.bearer.authorization.k8s.io._w", Reason.TOKEN_MALFORMED),
    ],
)
def test_subprotocols_that_give_no_token(offered: str, reason: Reason) -> None:
    with pytest.raises(Refused) as refused:
        found(("Sec-WebSocket-Protocol", offered), sources=("SubProtocol",))
    assert refused.value.reason is reason


@pytest.mark.parametrize(
    ("query", "left"),
    [
        ("token=t", ""),
        ("a=1&access_token=t&b=%20", "a=1&b=%20"),
        ("access%5Ftoken=t&a", "a"),
        ("tokens=t&&a=token", "tokens=t&&a=token"),
        ("", ""),
    ],
)
def test_only_the_tokens_parameters_are_taken_out(query: str, left: str) -> None:
    assert strip_query(query) == left


@given(st.text(alphabet="token=&%5Face_;+", max_size=40))
def test_no_token_is_left_in_a_query_after_it_was_taken_out(query: str) -> None:
    assert found(query=strip_query(query), sources=("Query",)) is None
