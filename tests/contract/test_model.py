"""Values are strict where documents are read and frozen afterwards."""

from typing import Any

import pytest
from pydantic import ValidationError

from wsgate_contract.model import Value


class Point(Value):
    """A value for these tests."""

    far_away: int = 0
    tags: tuple[str, ...] = ()


def test_a_document_is_camel_case_and_its_lists_become_tuples() -> None:
    assert Point.from_document({"farAway": 1, "tags": ["a"]}) == Point(far_away=1, tags=("a",))


@pytest.mark.parametrize(
    "document", [{"farAway": "1"}, {"farAway": 1.0}, {"farAway": True}, {"fraAway": 1}, {"tags": "a"}]
)
def test_what_is_nearly_right_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Point.from_document(document)


def test_fields_at_their_default_are_left_out() -> None:
    assert Point(far_away=0, tags=("a",)).to_document() == {"tags": ["a"]}


@pytest.mark.parametrize("field", Point.model_fields)
def test_a_value_cannot_be_changed(field: str) -> None:
    with pytest.raises(ValidationError):
        setattr(Point(), field, 1)
