"""Who takes less than an equal share loses nothing."""

from hypothesis import given
from hypothesis import strategies as st

from wsgate_operator.translate.shares import count_that_fits, in_turn

ITEMS = st.lists(st.tuples(st.sampled_from(["", "a", "b", "c"]), st.integers(1, 9)), max_size=30)


def test_the_first_items_are_those_of_whoever_has_taken_least() -> None:
    items = [("a", 3), ("a", 3), ("b", 4), ("", 9), ("b", 1)]
    found = in_turn(items, lambda item: item[1], lambda item: item[0] or None)
    assert found == [("", 9), ("a", 3), ("b", 4), ("b", 1), ("a", 3)]


@given(ITEMS, st.integers(0, 100))
def test_as_many_fit_as_the_room_holds(items: list[tuple[str, int]], room: int) -> None:
    count = count_that_fits(items, lambda found: sum(size for _, size in found), room)
    assert sum(size for _, size in items[:count]) <= room
    assert count == len(items) or sum(size for _, size in items[: count + 1]) > room


@given(ITEMS)
def test_nobody_is_ahead_of_another_by_more_than_one_item(items: list[tuple[str, int]]) -> None:
    ordered = in_turn(items, lambda item: 1, lambda item: item[0])
    for count in range(len(ordered)):
        shares = {name: sum(1 for each, _ in ordered[:count] if each == name) for name, _ in items}
        waiting = {name for name, _ in ordered[count:]}
        if waiting:
            assert max(shares.values()) <= min(shares[name] for name in waiting) + 1
