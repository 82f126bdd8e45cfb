"""Where a token is found, and when two are one too many."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate_contract.route import TokenSource
from wsgate_dataplane.identity.sources import Credential, find_credential, strip_cookie
from wsgate_dataplane.outcomes.refusal import Refused
from wsgate_dataplane.outcomes.table import Reason

BOTH: tuple[TokenSource, ...] = ("Header", "Cookie")


def found(*headers: tuple[str, str], sources: tuple[TokenSource, ...] = BOTH) -> Credential | None:
    def values_of(name: str) -> list[str]:
        return [value for given, value in headers if given.lower() == name]

    return find_credential(values_of, "session", sources)


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
    assert found(*headers, sources=("Query",)) is None


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
