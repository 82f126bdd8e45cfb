"""Whatever of the log a reader has seen twice or late, it ends with the set that the log describes."""

from hypothesis import given
from hypothesis import strategies as st

from wsgate_contract.revocation_log import Change, LogEntry, SetDigest
from wsgate_dataplane.revocation.log_set import LogSet

CHANGES: st.SearchStrategy[list[tuple[Change, str]]] = st.lists(
    st.tuples(st.sampled_from(["add", "remove"]), st.sampled_from("abcd")), min_size=1, max_size=12
)


def written(changes: list[tuple[Change, str]]) -> list[tuple[set[str], LogEntry]]:
    """The sets after each change, and the entries; only what changes something is written."""
    members: set[str] = set()
    found = []
    for change, member in changes:
        if (change == "add") == (member in members):
            continue
        members = members ^ {member}
        found.append((members, LogEntry(change, "e", SetDigest.of(members), member)))
    return found


@given(CHANGES, st.data())
def test_a_set_read_later_than_the_cursor_agrees_once_it_has_caught_up(
    changes: list[tuple[Change, str]], data: st.DataObject
) -> None:
    log = written(changes)
    if not log:
        return
    cursor = data.draw(st.integers(0, len(log) - 1))
    read = data.draw(st.integers(cursor, len(log) - 1))
    follower = LogSet.of(log[read][0], str(cursor), "e")
    for index in range(cursor + 1, len(log)):
        follower.apply(str(index), log[index][1])
    last = len(log) - 1
    assert follower.members == log[last][0]
    assert follower.agrees_with(str(last), log[last][1])


@given(st.sets(st.text(max_size=3), min_size=1, max_size=5), st.data())
def test_a_set_with_a_member_lost_does_not_agree(members: set[str], data: st.DataObject) -> None:
    head = LogEntry("reset", "e", SetDigest.of(members))
    lost = data.draw(st.sampled_from(sorted(members)))
    assert LogSet.of(members, "1", "e").agrees_with("1", head)
    assert not LogSet.of(members - {lost}, "1", "e").agrees_with("1", head)


def test_a_reset_with_the_same_content_agrees_and_brings_its_epoch() -> None:
    follower = LogSet.of({"a"}, "1", "e")
    reset = LogEntry("reset", "f", SetDigest.of({"a"}))
    follower.apply("2", reset)
    assert (follower.cursor, follower.epoch) == ("2", "f")
    assert follower.agrees_with("2", reset)


def test_another_epoch_or_another_head_does_not_agree() -> None:
    follower = LogSet.of({"a"}, "1", "e")
    assert not follower.agrees_with("1", LogEntry("reset", "f", SetDigest.of({"a"})))
    assert not follower.agrees_with("2", LogEntry("reset", "e", SetDigest.of({"a"})))
