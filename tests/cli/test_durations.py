"""Durations as people type them become seconds, or an error that shows how to write one."""

import argparse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate_cli.durations import UNITS, duration_seconds


@pytest.mark.parametrize(
    ("text", "seconds"), [("1s", 1), ("30s", 30), ("15m", 900), ("24h", 86400), ("7d", 604800)]
)
def test_a_number_and_its_unit_become_seconds(text: str, seconds: int) -> None:
    assert duration_seconds(text) == seconds


@given(st.integers(1, 10**9 - 1), st.sampled_from(list(UNITS)))
def test_every_number_of_up_to_nine_digits_is_taken(number: int, unit: str) -> None:
    assert duration_seconds(f"{number}{unit}") == number * UNITS[unit]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "30",
        "s",
        "0s",
        "00s",
        "05s",
        "-5s",
        "+5s",
        "1.5h",
        "1h30m",
        "5 s",
        " 5s",
        "5s\n",
        "5S",
        "5w",
        "٣s",
        "1000000000s",
    ],
)
def test_anything_else_is_an_error_that_shows_examples_and_what_was_found(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError) as caught:
        duration_seconds(text)
    assert "30s, 15m, 24h or 7d" in str(caught.value)
    assert repr(text) in str(caught.value)


@given(st.text(max_size=12))
def test_any_text_is_a_duration_of_at_least_a_second_or_the_documented_error(text: str) -> None:
    try:
        assert duration_seconds(text) >= 1
    except argparse.ArgumentTypeError:
        pass
