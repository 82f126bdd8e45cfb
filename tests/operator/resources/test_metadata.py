"""Names, moments and keys of objects."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.operator.objects import STANDALONE, document, wsroute
from wsgate_operator.resources.invalid import InvalidObject
from wsgate_operator.resources.metadata import DATE_TIME_PATTERN, parse_date_time
from wsgate_operator.resources.parse import parse_object
from wsgate_operator.resources.tokenrevocation import TokenRevocation
from wsgate_operator.translate.conditions import moment
from wsgate_operator.translate.revocations import record_of


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t00:00:01z", 1),
        ("1970-01-01T02:00:00+02:00", 0),
        ("1970-01-01T00:00:00.5Z", 0.5),
        ("1970-01-01T00:00:00.123456789Z", 0.123456),
    ],
)
def test_every_form_of_rfc_3339_names_its_moment(text: str, seconds: float) -> None:
    assert parse_date_time(text).timestamp() == seconds


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("2026-02-30T00:00:00Z", "no such moment, day is out of range for month; write it like"),
        ("2026-01-01T00:00:60Z", "no such moment"),
        ("2026-01-01T00:00:00+25:00", "no such moment"),
        ("2026-01-01", "expected an RFC 3339 date and time"),
        ("2026-01-01T00:00:00", "expected an RFC 3339 date and time"),
    ],
)
def test_a_text_that_is_no_moment_is_refused_with_an_example(text: str, says: str) -> None:
    with pytest.raises(InvalidObject) as caught:
        parse_object(document("TokenRevocation", "a", {"jti": "x", "expiresAt": text}))
    assert says in str(caught.value)
    assert caught.value.errors[0].path == "spec.expiresAt"


@pytest.mark.parametrize("field", ["issuedBefore", "expiresAt"])
@pytest.mark.parametrize(
    "text",
    [
        "0001-01-01T00:00:00+01:00",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-01:00",
        "9999-12-31T23:59:59.1Z",
    ],
)
def test_a_moment_outside_1970_to_9999_is_refused_by_its_field(field: str, text: str) -> None:
    with pytest.raises(InvalidObject) as caught:
        parse_object(document("TokenRevocation", "a", {"jti": "x", field: text}))
    assert f"spec.{field}: expected a moment from 1970 to 9999 in UTC" in str(caught.value)


@given(st.from_regex(DATE_TIME_PATTERN, fullmatch=True))
def test_a_moment_is_accepted_or_refused_by_its_field_and_nothing_else(text: str) -> None:
    try:
        found = parse_object(document("TokenRevocation", "a", {"jti": "x", "expiresAt": text}))
    except InvalidObject as error:
        assert [fault.path for fault in error.errors] == ["spec.expiresAt"]
    else:
        assert isinstance(found, TokenRevocation)
        record = record_of(found, STANDALONE)
        assert record.expires_at is not None and moment(record.expires_at)


def test_a_key_is_namespace_and_name() -> None:
    assert wsroute("chat", "team-a").key == "team-a/chat"


def test_a_key_is_the_name_while_the_namespace_is_open() -> None:
    open_namespace = document("TokenRevocation", "a", {"jti": "x"}, namespace=None)
    assert parse_object(open_namespace).key == "a"
