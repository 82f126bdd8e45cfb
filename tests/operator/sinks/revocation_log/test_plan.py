"""What to write, as a function of what stands there."""

import hypothesis
import hypothesis.strategies as st
import pytest

from tests.operator.sinks.revocation_log.house import NOW, event, members
from wsgate_contract.revocation_log import EPOCH_PREFIX, LogEntry, SetDigest, member_of
from wsgate_operator.sinks.revocation_log.plan import (
    CHANGES_MAX,
    Damage,
    Found,
    State,
    judge,
    live_events,
    next_write,
    order_of,
    rewrite,
)

SET = members("a", "b")
ENTRY = LogEntry("reset", "e1", SetDigest.of(SET))
EPOCH = EPOCH_PREFIX + "e1"
LIVE = member_of(event("live"))


def state_of(held: frozenset[str]) -> State:
    return State("e1", held, SetDigest.of(held), "5-1")


def test_a_set_and_a_log_that_agree_are_a_state() -> None:
    assert judge(Found([*SET, EPOCH], "5-1", ENTRY), None) == state_of(SET)
    assert judge(Found([*SET, EPOCH], "5-1", ENTRY), "5-1") == state_of(SET)
    # Newer than what this operator wrote: another's.
    assert judge(Found([*SET, EPOCH], "5-1", ENTRY), "4-9") == state_of(SET)


@pytest.mark.parametrize(
    ("found", "damage"),
    [
        (Found([], None, None), Damage.EMPTY),
        (Found([*SET, EPOCH], None, None), Damage.NO_LOG),
        (Found([], "5-1", ENTRY), Damage.NO_SET),
        (Found([*SET, EPOCH], "5-1", None), Damage.FOREIGN),
        (Found([], None, None, is_foreign=True), Damage.FOREIGN),
        (Found([*SET], "5-1", ENTRY), Damage.EPOCH),
        (Found([*SET, EPOCH, "epoch:e2"], "5-1", ENTRY), Damage.EPOCH),
        (Found([*SET, "epoch:e2"], "5-1", ENTRY), Damage.EPOCH),
        (Found([*SET, EPOCH, "x"], "5-1", ENTRY), Damage.MISMATCH),
        (Found([*SET, EPOCH, "\udcff"], "5-1", ENTRY), Damage.MISMATCH),
        (Found([EPOCH], "5-1", ENTRY), Damage.MISMATCH),
        (Found([*SET, EPOCH], "4-1", ENTRY), Damage.ROLLED_BACK),
    ],
)
def test_each_disagreement_has_its_name(found: Found, damage: Damage) -> None:
    assert judge(found, "5-0") is damage


def test_ids_compare_by_age_and_not_as_text() -> None:
    assert order_of("9-10") > order_of("9-9")
    assert order_of("10-0") > order_of("9-9")


def test_a_rewrite_holds_the_wanted_and_the_events_that_are_left() -> None:
    over = member_of(event("over", expires_at=1))
    write = rewrite(Found([LIVE, over, "rubbish", *SET], None, None), Damage.NO_LOG, members("c"), NOW, "e2")
    assert write.after.members == members("c") | {LIVE}
    assert write.entries == (LogEntry("reset", "e2", write.after.digest),)
    assert (write.is_last, write.damage) == (True, Damage.NO_LOG)


def test_only_events_in_force_are_live() -> None:
    assert live_events([LIVE, *SET, member_of(event("over", expires_at=1)), "x"], NOW) == {LIVE}


def test_more_changes_than_one_transaction_takes_come_one_after_the_other() -> None:
    state, desired = state_of(SET), members(*(f"u{number}" for number in range(CHANGES_MAX)))
    first = next_write(state, desired, NOW)
    assert (len(first.entries), first.is_last) == (CHANGES_MAX, False)
    # Nothing is removed before everything was added.
    assert first.after.members == SET | desired
    second = next_write(first.after, desired, NOW)
    assert (second.after.members, second.is_last) == (desired, True)


SETS = st.frozensets(st.sampled_from(sorted([*members(*"abcdef"), LIVE])))


@hypothesis.given(held=SETS, desired=SETS)
def test_each_entry_tells_the_state_after_it_and_the_last_is_what_was_wanted(
    held: frozenset[str], desired: frozenset[str]
) -> None:
    write = next_write(state_of(held), desired, NOW)
    now = set(held)
    for entry in write.entries:
        (now.add if entry.change == "add" else now.remove)(entry.member)
        assert entry.digest == SetDigest.of(now)
    assert now == write.after.members == desired | (held & {LIVE})
    assert write.after.digest == SetDigest.of(now)
    changes = [entry.change for entry in write.entries]
    assert changes == sorted(changes)
