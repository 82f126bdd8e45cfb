"""Deadlines against a plain dict, and its memory."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from wsgate_dataplane.session.deadlines import STALE_ENTRIES_MIN, Deadlines

items = st.integers(0, 12)
times = st.integers(0, 40).map(float)


class AgainstADict(RuleBasedStateMachine):
    """The model holds each item's time and the order in which it was set."""

    def __init__(self) -> None:
        super().__init__()
        self.deadlines = Deadlines[int]()
        self.model: dict[int, tuple[float, int]] = {}
        self.sets = 0

    def due(self, now: float) -> list[int]:
        entries = sorted((*entry, item) for item, entry in self.model.items() if entry[0] <= now)
        return [item for _, _, item in entries]

    @rule(item=items, due=times)
    def set(self, item: int, due: float) -> None:
        self.sets += 1
        self.model[item] = (due, self.sets)
        self.deadlines.set(item, due)

    @rule(item=items)
    def discard(self, item: int) -> None:
        self.model.pop(item, None)
        self.deadlines.discard(item)

    @rule(now=times)
    def pop_due(self, now: float) -> None:
        expected = self.due(now)
        assert list(self.deadlines.pop_due(now)) == expected
        for item in expected:
            del self.model[item]

    @rule(now=times, later=st.integers(1, 20))
    def set_again_while_popping(self, now: float, later: int) -> None:
        popped = []
        for item in self.deadlines.pop_due(now):
            popped.append(item)
            assert item == self.due(now)[0]
            self.set(item, now + later)
        assert not self.due(now), popped

    @rule(now=times)
    def discard_all_others_while_popping(self, now: float) -> None:
        for kept in self.deadlines.pop_due(now):
            for item in list(self.model):
                self.discard(item)
            assert kept not in self.model

    @invariant()
    def agrees(self) -> None:
        assert len(self.deadlines) == len(self.model)
        assert self.deadlines.next_due() == min((due for due, _ in self.model.values()), default=None)


TestAgainstADict = AgainstADict.TestCase


def test_equal_times_come_in_the_order_they_were_set() -> None:
    deadlines = Deadlines[str]()
    for item in "bca":
        deadlines.set(item, 1.0)
    deadlines.set("b", 1.0)
    assert list(deadlines.pop_due(1.0)) == ["c", "a", "b"]


def test_items_need_no_order_among_themselves() -> None:
    first, second = object(), object()
    deadlines = Deadlines[object]()
    deadlines.set(first, 1.0)
    deadlines.set(second, 1.0)
    assert list(deadlines.pop_due(2.0)) == [first, second]


def test_memory_follows_the_live_items_however_often_they_are_set() -> None:
    deadlines = Deadlines[int]()
    for round_ in range(200):
        for item in range(100):
            deadlines.set(item, float(round_))
    assert len(deadlines._heap) <= 2 * 100 + STALE_ENTRIES_MIN
    for item in range(100):
        deadlines.discard(item)
    assert len(deadlines._heap) <= STALE_ENTRIES_MIN
    assert deadlines.next_due() is None
    assert deadlines._heap == []
