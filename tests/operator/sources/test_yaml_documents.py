"""YAML as the API server reads it, with lines, and with every trap an error."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from wsgate_operator.sources.yaml_documents import DEPTH_MAX, Mark, YAMLTextError, read_documents


@given(st.text() | st.text(alphabet="[]{}&*a:-!|>\"'\n <?,#%@`~.0"))
def test_any_text_ends_in_documents_or_in_the_documented_error(text: str) -> None:
    try:
        read_documents(text)
    except YAMLTextError as error:
        assert error.message


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    ).filter(lambda value: value is not None)
)
def test_what_was_dumped_is_read_back(value: object) -> None:
    (document,) = read_documents(yaml.safe_dump(value))
    assert document.value == value


def test_dates_stay_text() -> None:
    (document,) = read_documents("a: 2026-01-31T18:00:00Z\nb: 2026-01-31\n")
    assert document.value == {"a": "2026-01-31T18:00:00Z", "b": "2026-01-31"}


def test_empty_documents_are_left_out() -> None:
    assert [document.value for document in read_documents("---\n# nothing\n---\na: 1\n---\n")] == [{"a": 1}]


def test_keys_are_always_text() -> None:
    (document,) = read_documents("1: a\ntrue: b\n")
    assert document.value == {"1": "a", "true": "b"}


def test_a_field_knows_its_line_and_column() -> None:
    (_, document) = read_documents("a: 1\n---\nspec:\n  prefix: /a\n  list:\n  - x: 1\n")
    assert document.mark_of(("spec", "prefix")) == Mark(4, 3)
    assert document.mark_of(("spec", "list", 0, "x")) == Mark(6, 5)


def test_a_missing_field_is_placed_at_its_parent() -> None:
    (document,) = read_documents("a: 1\nspec:\n  prefix: /a\n")
    assert document.mark_of(("spec", "upstream")) == Mark(2, 1)


def test_anchors_and_merge_keys_are_followed() -> None:
    text = "base: &b {x: 1, y: 2}\nuse:\n  <<: *b\n  y: 3\nmany:\n  <<: [{x: 5}, *b]\n"
    (document,) = read_documents(text)
    assert document.value["use"] == {"x": 1, "y": 3}
    assert document.value["many"] == {"x": 5, "y": 2}


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("a: 1\nb: 2\na: 3\n", 'key "a" is there twice, first on line 1', 3),
        ("a: [1\nb: 2\n", "did not find expected", 2),
        ("a:\n\tb: 1\n", "found character that cannot start any token", 2),
        ("a: &x [*x]\n", "an alias leads into itself", 1),
        ("a: *x\n", "found undefined alias", 1),
        ("a: !!python/object:os.system {}\n", "tag tag:yaml.org,2002:python/object:os.system is not", 1),
        ("a: !!set {x, y}\n", "tag tag:yaml.org,2002:set is not read", 1),
        ("a: !!timestamp nope\n", "tag tag:yaml.org,2002:timestamp is not read", 1),
        ("a: !!binary aGk=\n", "tag tag:yaml.org,2002:binary is not read", 1),
        ("a: !!int x\n", '"x" is not a value of its kind', 1),
        ("a: !!int ''\n", '"" is not a value of its kind', 1),
        ("a: !!bool x\n", '"x" is not a value of its kind', 1),
        ("? [a]\n: 1\n", "a key must be text", 1),
        ("<<: 5\n", "<< needs a mapping", 1),
        ("a: " + "[" * 100, "nested more than 64 levels deep", 1),
        ("a: " + "[" * 100_000, "nesting depth", 1),
        ("a: \x01\n", "not YAML", None),
    ],
    ids=lambda value: str(value)[:24].strip(),
)
def test_a_trap_is_an_error_with_its_place(text: str, message: str, line: int | None) -> None:
    with pytest.raises(YAMLTextError) as caught:
        read_documents(text)
    assert message in caught.value.message
    assert caught.value.fix
    if line is not None:
        assert caught.value.mark is not None
        assert caught.value.mark.line == line


def test_aliases_that_multiply_are_stopped() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(YAMLTextError, match="values"):
        read_documents("\n".join(lines))


def test_nesting_up_to_the_limit_is_read() -> None:
    read_documents("[" * DEPTH_MAX + "]" * DEPTH_MAX)
