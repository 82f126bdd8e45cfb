"""A proof is held until its time, and the one that was not asked for longest makes room."""

from wsgate_dataplane.identity.stores.memory import MemoryStore


def test_a_proof_is_held_until_its_time_and_then_forgotten() -> None:
    store = MemoryStore[bytes]()
    store.keep(b"a", 10)
    assert store.holds(b"a", 9.9)
    assert not store.holds(b"b", 9.9)
    assert not store.holds(b"a", 10)
    assert len(store) == 0


def test_the_one_that_was_asked_for_longest_ago_makes_room() -> None:
    store = MemoryStore[bytes](entries_max=2)
    store.keep(b"a", 10)
    store.keep(b"b", 10)
    assert store.holds(b"a", 0)
    store.keep(b"c", 10)
    assert [store.holds(each, 0) for each in (b"a", b"b", b"c")] == [True, False, True]
    assert len(store) == 2


def test_keeping_a_proof_again_makes_no_second_entry_and_counts_as_use() -> None:
    store = MemoryStore[bytes](entries_max=2)
    store.keep(b"a", 10)
    store.keep(b"b", 10)
    store.keep(b"a", 20)
    store.keep(b"c", 10)
    assert [store.holds(each, 15) for each in (b"a", b"b", b"c")] == [True, False, False]
