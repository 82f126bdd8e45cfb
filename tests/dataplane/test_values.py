"""A value is one by its fields."""

import pytest

from wsgate_dataplane.values import changed, value


@value
class Point:
    """A value for these tests."""

    x: int
    y: int = 0


def test_values_with_the_same_fields_are_equal_and_one_key() -> None:
    assert {Point(1): "a"}[Point(1, 0)] == "a"
    assert Point(1) != Point(2)


def test_another_value_is_made_by_naming_what_differs() -> None:
    point = Point(1)
    assert (changed(point, y=2), point) == (Point(1, 2), Point(1, 0))


def test_a_value_has_no_other_attributes() -> None:
    name = "z"
    with pytest.raises(AttributeError):
        setattr(Point(1), name, 3)
