"""The memory is bounded by use."""

from wsgate_operator.sinks.recent import Recent


def test_what_was_not_used_for_longest_is_forgotten() -> None:
    recent: Recent[str, int] = Recent(2)
    recent.put("a", 1)
    recent.put("b", 2)
    recent.get("a")
    recent.put("c", 3)
    assert [recent.get(key) for key in "abc"] == [1, None, 3]


def test_a_forgotten_entry_makes_room() -> None:
    recent: Recent[str, int] = Recent(2)
    recent.put("a", 1)
    recent.put("b", 2)
    recent.forget("b")
    recent.forget("never known")
    recent.put("c", 3)
    assert [recent.get(key) for key in "abc"] == [1, None, 3]
