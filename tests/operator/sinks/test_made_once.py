"""Nothing is made twice of the same object, and nothing old is given for a new one."""

from wsgate_operator.sinks.made_once import MadeOnce


def test_only_new_objects_are_made_anew_and_the_others_are_forgotten() -> None:
    seen: list[list[int]] = []

    def make(value: list[int]) -> int:
        seen.append(value)
        return sum(value)

    made, first, second = MadeOnce(make), [1], [2]
    assert made.of([("b", second), ("a", first)]) == [("b", 2), ("a", 1)]
    equal = [1]
    assert made.of([("a", equal), ("b", second)]) == [("a", 1), ("b", 2)]
    assert seen == [second, first, equal]
    assert seen[2] is equal
    assert made.of([("a", equal)]) == [("a", 1)]
    assert made.of([("b", second)]) == [("b", 2)]
    assert len(seen) == 4
