"""Tables line up, and nothing in them steers the terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate_cli.plugin.table import CELL_CHARACTERS_MAX, plain, table


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        ("", "-"),
        (0, "0"),
        ("köln", "köln"),
        ("\x1b[2J\r\n", "\\x1b[2J\\r\\n"),
        ("\u202e\x9b", "\\u202e\\x9b"),
        ("a'b", "a'b"),
        ("\udcff", "\\udcff"),
    ],
)
def test_a_value_is_one_line_of_printable_characters(value: object, text: str) -> None:
    assert plain(value) == text


@given(st.text())
def test_any_text_can_be_printed(text: str) -> None:
    assert plain(text).isprintable()
    plain(text).encode()


def test_columns_line_up_and_lines_have_no_trailing_blanks() -> None:
    rows = [{"A": "1", "B": "x", "C": "unused"}, {"A": "long", "B": "", "C": ""}]
    assert table(["A", "B"], rows, is_wide=False) == "A      B\n1      x\nlong   -\n"
    assert table(["A"], [], is_wide=False) == "A\n"


def test_a_long_cell_is_cut_unless_wide() -> None:
    rows = [{"A": "x" * 100}]
    assert table(["A"], rows, is_wide=False).splitlines()[1] == "x" * (CELL_CHARACTERS_MAX - 1) + "…"
    assert table(["A"], rows, is_wide=True).splitlines()[1] == "x" * 100
