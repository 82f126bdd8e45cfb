"""A query is understood in full or refused with the way out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import MultiDict

from wsgate_dataplane.admin.answers import AdminProblem, Fault
from wsgate_dataplane.admin.query import ITEMS_MAX, Query, read_query


def query(*pairs: tuple[str, str]) -> Query:
    return read_query(MultiDict(pairs), ("sub", "jti"))


def test_without_parameters_everything_is_wanted_up_to_the_limit() -> None:
    assert query() == Query({}, ITEMS_MAX)


def test_filters_and_limit_are_taken_apart() -> None:
    assert query(("sub", "alice"), ("limit", "7")) == Query({"sub": "alice"}, 7)


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        ([("subject", "alice")], "'subject': no such parameter, there are sub, jti, limit."),
        ([("\0" * 99, "x")], "no such parameter"),
        ([("sub", "alice"), ("sub", "bob")], "sub: given twice; give it once."),
        ([("limit", "1"), ("limit", "2")], "limit: given twice; give it once."),
        ([("sub", "")], "sub: empty; leave it out, or give a value."),
    ],
)
def test_what_is_not_understood_is_refused_and_named(pairs: list[tuple[str, str]], words: str) -> None:
    with pytest.raises(AdminProblem) as caught:
        query(*pairs)
    assert caught.value.fault is Fault.QUERY_INVALID
    assert words in caught.value.detail
    assert "\0" not in caught.value.detail


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "1.5", "x", "٣", "²", "9" * 5000, " 1"])
def test_a_limit_is_a_number_within_bounds(limit: str) -> None:
    with pytest.raises(AdminProblem, match="limit: give a number from 1 to 1000"):
        query(("limit", limit))


@given(st.lists(st.tuples(st.sampled_from(["sub", "jti", "limit"]) | st.text(), st.text()), max_size=4))
def test_any_query_is_read_or_refused_by_the_one_error(pairs: list[tuple[str, str]]) -> None:
    try:
        found = query(*pairs)
    except AdminProblem:
        return
    assert set(found.filters) <= {"sub", "jti"}
    assert 1 <= found.limit <= ITEMS_MAX


def test_a_filter_admits_only_the_equal_value_and_without_one_all_are_admitted() -> None:
    found = query(("sub", "alice"))
    assert found.admits("sub", "alice")
    assert not found.admits("sub", "bob")
    assert not found.admits("sub", None)
    assert found.admits("jti", None)
