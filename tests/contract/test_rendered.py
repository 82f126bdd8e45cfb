"""A rendered document proves its content."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate_contract import rendered
from wsgate_contract.rendered import FORMAT, RenderedDocumentError

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
ITEMS = [{"name": "a", "prefix": "/a"}]


@given(st.lists(st.dictionaries(st.text(), JSON, max_size=3), max_size=3), st.integers(0, 9))
def test_what_was_built_is_read_back(items: list[dict[str, Any]], version: int) -> None:
    found = rendered.read("routes", rendered.build("routes", items, version, confirmed_at=1.5))
    assert (found.items, found.version, found.confirmed_at) == (items, version, 1.5)


@given(
    JSON
    | st.fixed_dictionaries(
        {"format": st.just(FORMAT), "version": JSON, "sha256": JSON, "routes": JSON, "confirmedAt": JSON}
    )
)
def test_any_document_is_read_or_refused_with_words(document: object) -> None:
    try:
        rendered.read("routes", document)
    except RenderedDocumentError as error:
        assert str(error)


def test_a_changed_item_breaks_the_digest() -> None:
    document = copy.deepcopy(rendered.build("routes", ITEMS, 1))
    document["routes"][0]["prefix"] = "/b"
    with pytest.raises(RenderedDocumentError, match="sha256"):
        rendered.read("routes", document)


def test_the_order_of_keys_does_not_count() -> None:
    assert rendered.digest([{"a": 1, "b": 2}]) == rendered.digest([{"b": 2, "a": 1}])


def test_confirmation_stands_outside_the_digest() -> None:
    early = rendered.build("revocations", [], 1, confirmed_at=1)
    late = rendered.build("revocations", [], 1, confirmed_at=2)
    assert early["sha256"] == late["sha256"]


@pytest.mark.parametrize(
    ("format_", "is_read"), [(FORMAT, True), (FORMAT - 1, True), (FORMAT + 1, False), (None, False)]
)
def test_this_format_and_the_one_before_are_read(format_: object, *, is_read: bool) -> None:
    document = {**rendered.build("routes", ITEMS, 1), "format": format_}
    if is_read:
        rendered.read("routes", document)
    else:
        with pytest.raises(RenderedDocumentError, match="upgrade the reader"):
            rendered.read("routes", document)


def test_the_originals_list_is_sent_to_where_it_is_read() -> None:
    with pytest.raises(RenderedDocumentError, match="wsgate standalone --config"):
        rendered.read("routes", [{"prefix": "/a", "upstream": "ws://a"}])
