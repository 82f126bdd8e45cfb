"""JSON from strangers is one plain object or a documented error."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate_dataplane.identity.strict_json import BRACKETS_MAX, DEPTH_MAX, StrictJSONError, parse_object

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)  # fmt: skip


@given(st.dictionaries(st.text(max_size=4), VALUES, max_size=5), st.booleans())
def test_what_json_writes_is_read_back(value: dict[str, Any], ascii_only: bool) -> None:  # noqa: FBT001  # Hypothesis passes it by name
    assert parse_object(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@given(st.binary(max_size=40) | st.text(alphabet='{}[]",:0123eE+-\\ud8.tnul ', max_size=60).map(str.encode))
def test_any_bytes_give_an_object_or_the_documented_error(data: bytes) -> None:
    try:
        assert isinstance(parse_object(data), dict)
    except StrictJSONError:
        pass


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"{}x", "not JSON"),
        (b'{"a":1,}', "not JSON"),
        (b"{'a':1}", "not JSON"),
        (b'{"a":"\n"}', "not JSON"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b'{"a":"\xff"}', "not UTF-8"),
        ("{}".encode("utf-16"), "not UTF-8"),
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b'"text"', "not a JSON object"),
        (b'{"a":1,"a":1}', "duplicate"),
        (b'{"a":1,"\\u0061":2}', "duplicate"),
        (b'{"x":[{"a":1,"a":1}]}', "duplicate"),
        (b'{"a":NaN}', "NaN"),
        (b'{"a":Infinity}', "Infinity"),
        (b'{"a":-Infinity}', "-Infinity"),
        (b'{"a":1e999}', "double precision"),
        (b'{"a":' + b"9" * 20 + b"}", "digits"),
        (b'{"a":' + b"9" * 5000 + b"}", "digits"),
        (b'{"a":"\\ud800"}', "surrogate"),
        (b'{"\\udfff":1}', "surrogate"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_two_parsers_could_read_differently_is_refused(text: bytes, told: str) -> None:
    with pytest.raises(StrictJSONError, match=told):
        parse_object(text)


def test_a_pair_of_surrogates_is_a_character() -> None:
    assert parse_object(b'{"a":"\\ud83d\\ude00"}') == {"a": "\U0001f600"}


@pytest.mark.parametrize("opening", [b'{"a":', b"["])
def test_nesting_is_counted_before_it_is_parsed(opening: bytes) -> None:
    closing = b"}" if opening.startswith(b"{") else b"]"

    def nested(depth: int) -> bytes:
        return b'{"x":' + opening * (depth - 1) + b"1" + closing * (depth - 1) + b"}"

    assert parse_object(nested(DEPTH_MAX))
    for depth in (DEPTH_MAX + 1, BRACKETS_MAX - 1):
        with pytest.raises(StrictJSONError, match="deeper"):
            parse_object(nested(depth))


def test_brackets_in_strings_and_brackets_side_by_side_are_not_depth() -> None:
    value = {"a": "[{" * 50 + '"\\', "b": [[], {}] * 50}
    assert parse_object(json.dumps(value).encode()) == value


@given(st.text(alphabet='[]{}",\\a', max_size=200))
def test_the_decoder_never_meets_more_depth_than_was_counted(text: str) -> None:
    try:
        parse_object(("{" * 3 + text).encode())
    except StrictJSONError:
        pass


@pytest.mark.parametrize("unit", ["[", '"', '\\"', '{"', "[[]]", '"\\'])
def test_sixteen_kibibytes_of_anything_are_refused_in_linear_time(unit: str) -> None:
    text = ('{"a":' + unit * (16_384 // len(unit))).encode()
    started = time.process_time()
    with pytest.raises(StrictJSONError):
        parse_object(text)
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize("unit", [b"[", b"[],", b"{},"])
def test_a_text_of_brackets_is_refused_before_it_is_looked_at_closely(unit: bytes) -> None:
    assert parse_object(b'{"a":[' + b"[]," * (BRACKETS_MAX - 3) + b"[]]}")
    started = time.process_time()
    with pytest.raises(StrictJSONError, match="more than 4096 arrays and objects"):
        parse_object(b'{"a":[' + unit * (1_048_576 // len(unit)))
    assert time.process_time() - started < 0.1
