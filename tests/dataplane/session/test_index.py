"""The compact multi-map behaves like a dictionary of sets."""

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from wsgate_dataplane.session.index import Index


class Item:
    """Known by identity alone, as a session is."""


ITEMS = [Item() for _ in range(4)]
STEPS = st.lists(st.tuples(st.booleans(), st.sampled_from(["", "a", "b"]), st.sampled_from(ITEMS)), max_size=40)


@given(STEPS)
def test_any_history_leaves_what_a_dictionary_of_sets_would_hold(
    steps: list[tuple[bool, str, Item]],
) -> None:
    index, model = Index[str, Item](), defaultdict[str, set[Item]](set)
    for is_added, key, item in steps:
        if is_added:
            index.add(key, item)
        else:
            index.discard(key, item)
        (model[key].add if is_added else model[key].discard)(item)
        for each in ("", "a", "b"):
            found = list(index.get(each))
            assert len(found) == len(set(found))
            assert set(found) == model[each]
        assert len(index) == sum(1 for items in model.values() if items)


def test_a_key_that_was_never_added_has_no_items() -> None:
    assert list(Index[str, Item]().get("a")) == []


def test_what_was_found_may_be_discarded_while_it_is_walked_through() -> None:
    index = Index[str, Item]()
    for item in ITEMS:
        index.add("a", item)
    for item in index.get("a"):
        index.discard("a", item)
    assert len(index) == 0


def test_an_equal_item_that_is_another_one_is_not_taken_out() -> None:
    index = Index[str, Item]()
    index.add("a", ITEMS[0])
    index.discard("a", ITEMS[1])
    assert list(index.get("a")) == [ITEMS[0]]
