"""Details are short, plain and one line."""

from hypothesis import given
from hypothesis import strategies as st

from wsgate_dataplane.admission.wording import SHOWN_MAX, expected, shown


def test_a_detail_names_what_was_expected_and_what_was_found() -> None:
    assert expected("aud, one of ['a']", ["b"]) == "expected aud, one of ['a'], found ['b']"
    assert expected("the claim exp", None) == "expected the claim exp, found none"


@given(st.text() | st.integers() | st.lists(st.text()))
def test_what_a_stranger_wrote_stays_one_short_printable_line(value: object) -> None:
    text = shown(value)
    assert len(text) <= SHOWN_MAX and text.isprintable()
