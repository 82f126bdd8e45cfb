"""Values are strict where documents are read and frozen afterwards."""

from functools import cached_property
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from wsgate_contract.model import Value, bare


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


class Figure(Value):
    """A value of values."""

    name: str = "a"
    corners: tuple[Point, ...] = (Point(far_away=1), Point(tags=("b",)))

    @property
    def far(self) -> tuple[Point, ...]:
        """Worked out."""
        return tuple(each for each in self.corners if each.far_away)

    @cached_property
    def title(self) -> str:
        """Worked out once."""
        return self.name.upper()


def test_a_bare_value_reads_like_the_value() -> None:
    figure = Figure()
    read = bare(figure)
    assert (read.name, read.title, read.far[0].far_away, read.corners[1].tags) == ("a", "A", 1, ("b",))
    assert not isinstance(read, BaseModel)
    assert not isinstance(read.corners[0], BaseModel)


def test_bare_values_are_compared_by_what_is_in_them() -> None:
    assert bare(Figure()) == bare(Figure())
    assert bare(Figure()) != bare(Figure(corners=()))
    other: object = bare(Point())
    assert other != bare(Figure())
    assert (other == Point(), Point(far_away=1) == other, other == "Point") == (True, False, False)
    assert repr(bare(Point())) == "Point(far_away=0, tags=())"


def test_a_bare_value_cannot_be_changed() -> None:
    name = "far_away"
    with pytest.raises(AttributeError):
        setattr(bare(Point()), name, 1)
    with pytest.raises(AttributeError):
        delattr(bare(Point()), name)


def test_what_is_no_value_stays_as_it_is() -> None:
    assert (bare("a"), bare((1, None))) == ("a", (1, None))
