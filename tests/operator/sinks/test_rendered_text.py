"""The same content gives the same text, whatever the order it came in."""

import yaml
from hypothesis import given
from hypothesis import strategies as st

from wsgate_contract import rendered
from wsgate_contract.revocation import RevocationRecord
from wsgate_contract.route import Route
from wsgate_operator.sinks.rendered_text import Items, document_text, in_order, yaml_text

A, B = (Route(namespace="default", name=name, prefix=f"/{name}", upstream="ws://a") for name in "ab")

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def test_routes_stand_in_the_order_of_their_places() -> None:
    assert [item["name"] for item in Items().of_routes([B, A])] == ["b", "a"]


def test_records_stand_in_the_order_of_their_ids() -> None:
    records = [RevocationRecord(id=f"default/{name}", subject="alice") for name in "ba"]
    assert [item["id"] for item in Items().of_records(records)] == ["default/a", "default/b"]


def test_the_header_comes_first_and_proves_the_items() -> None:
    text = document_text("routes", Items().of_routes([A]), 7, confirmed_at=1.5)
    assert text.splitlines()[0] == "format: 1"
    assert rendered.read("routes", yaml.safe_load(text)) == rendered.RenderedDocument(
        7, rendered.digest(Items().of_routes([A])), Items().of_routes([A]), 1.5
    )


@given(JSON)
def test_any_json_survives_the_text(value: object) -> None:
    text = yaml_text(in_order({"value": value}))
    assert text.isascii()
    assert yaml.load(text, Loader=yaml.CSafeLoader) == {"value": value}
