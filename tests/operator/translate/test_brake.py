"""What vanishes in bulk without having been deleted stays in force for five minutes."""

from hypothesis import given
from hypothesis import strategies as st

from wsgate_operator.translate.brake import HOLD_SECONDS, Brake, Braked, apply


def keys(count: int, start: int = 0) -> frozenset[str]:
    return frozenset(f"a/{number}" for number in range(start, start + count))


def after(
    brake: Brake,
    previous: frozenset[str],
    listed: frozenset[str],
    now: float,
    deleted: frozenset[str] = frozenset(),
) -> Braked:
    return apply(brake, previous=previous, listed=listed, deleted=deleted, now=now)


def test_a_few_or_a_small_share_vanish_at_once() -> None:
    for total, left in ((20, 10), (100, 80), (10, 0)):
        braked = after(Brake(), keys(total), keys(left), 0)
        assert braked == Braked(Brake(), frozenset())


def test_many_and_a_large_share_are_held_with_one_event() -> None:
    braked = after(Brake(), keys(50), keys(39), 100.0)
    assert braked.kept == keys(11, start=39)
    assert braked.event is not None
    assert braked.event.startswith("11 of 50 objects are missing from a listing")
    assert braked.brake.release_at == 100.0 + HOLD_SECONDS
    again = after(braked.brake, keys(50), keys(39), 200.0)
    assert (again.kept, again.event) == (braked.kept, None)


def test_an_empty_listing_holds_everything_there_was() -> None:
    assert after(Brake(), keys(500), frozenset(), 0).kept == keys(500)


def test_held_keys_are_let_go_after_five_minutes_with_an_event() -> None:
    held = after(Brake(), keys(50), frozenset(), 100.0).brake
    assert after(held, keys(50), frozenset(), 100.0 + HOLD_SECONDS - 1).kept == keys(50)
    let_go = after(held, keys(50), frozenset(), 100.0 + HOLD_SECONDS)
    assert (let_go.kept, let_go.brake.release_at) == (frozenset(), None)
    assert (
        let_go.event
        == "50 objects that were missing from a listing have not come back; they are no longer in force"
    )
    assert after(let_go.brake, frozenset(), frozenset(), 500.0).event is None


def test_held_keys_that_come_back_are_simply_there() -> None:
    held = after(Brake(), keys(50), frozenset(), 0).brake
    assert after(held, keys(50), keys(50), 10) == Braked(Brake(), frozenset())


def test_a_deletion_that_the_watch_reported_passes() -> None:
    assert after(Brake(), keys(500), frozenset(), 0, deleted=keys(500)) == Braked(Brake(), frozenset())
    mixed = after(Brake(), keys(50), frozenset(), 0, deleted=keys(45))
    assert mixed.kept == frozenset()


def test_a_held_key_that_is_then_deleted_is_let_go_at_once() -> None:
    held = after(Brake(), keys(50), frozenset(), 0).brake
    assert after(held, keys(50), frozenset(), 10, deleted=keys(30)).kept == keys(20, start=30)


def test_what_vanishes_during_a_hold_is_held_from_then_on() -> None:
    held = after(Brake(), keys(50), keys(30), 0).brake
    more = after(held, keys(50), keys(29), 100)
    assert more.kept == keys(21, start=29)
    assert more.event is not None
    assert after(more.brake, keys(50), keys(29), HOLD_SECONDS).kept == {"a/29"}


KEYS = st.frozensets(st.integers(0, 60).map(lambda number: f"a/{number}"))


@given(KEYS, st.lists(st.tuples(KEYS, KEYS, st.integers(0, 200)), max_size=8))
def test_what_is_kept_was_in_force_is_not_there_and_not_deleted(
    first: frozenset[str], passes: list[tuple[frozenset[str], frozenset[str], int]]
) -> None:
    brake, in_force, now = Brake(), first, 0.0
    for listed, deleted, seconds in passes:
        now += seconds
        braked = after(brake, in_force, listed, now, deleted)
        assert braked.kept <= in_force - listed - deleted
        assert all(0 <= now - since < HOLD_SECONDS for since in braked.brake.held_since.values())
        brake, in_force = braked.brake, listed | braked.kept
