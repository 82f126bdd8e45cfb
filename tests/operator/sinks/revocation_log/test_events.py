"""Whoever holds a pod can add events, and do nothing to those of others."""

import hypothesis
import hypothesis.strategies as st

from tests.operator.sinks.revocation_log.house import NOW, event, logged, record
from wsgate_contract.revocation import RevocationRecord
from wsgate_contract.revocation_log import EVENT_PREFIX, member_of
from wsgate_operator.sinks.revocation_log.events import Events
from wsgate_operator.sinks.revocation_log.inbox import InboxBatch, check
from wsgate_operator.sinks.revocation_log.record import EXPIRY_GRACE_SECONDS, event_fault


def batch_of(*records: RevocationRecord) -> InboxBatch:
    return check([member_of(record) for record in records], len(records))


def matchers(record: RevocationRecord) -> RevocationRecord:
    """All of a record but its id."""
    return record.model_copy(update={"id": "-"})


def test_what_was_folded_is_kept_and_may_leave_the_inbox() -> None:
    events = Events()
    batch = batch_of(event("a"), event("b"))
    assert events.fold(batch, NOW) == tuple(entry.text for entry in batch.entries)
    assert events.records == (event("a"), event("b"))
    assert events.members == {member_of(event("a")), member_of(event("b"))}


def test_refused_and_expired_entries_leave_the_inbox_without_effect() -> None:
    events = Events()
    batch = batch_of(record("object"), event("old", expires_at=1))
    assert set(events.fold(batch, NOW)) == {member_of(record("object")), member_of(event("old", expires_at=1))}
    assert events.records == ()


def test_the_same_record_twice_is_one() -> None:
    events = Events()
    assert len(events.fold(batch_of(event("a"), event("a")), NOW)) == 2
    assert events.records == (event("a"),)


def test_a_further_record_of_a_known_id_is_kept_under_another_id() -> None:
    events, shorter = Events(), event("a", expires_at=int(NOW) + 1)
    events.fold(batch_of(event("a"), shorter), NOW)
    events.fold(batch_of(shorter), NOW)
    first, second = events.records
    assert first == event("a")
    assert second.id.startswith(EVENT_PREFIX)
    assert second.id != first.id
    assert matchers(second) == matchers(shorter)


def test_an_id_that_was_guessed_does_not_displace_the_record_that_would_get_it() -> None:
    probe = Events()
    probe.fold(batch_of(event("a"), event("a", subject="b")), NOW)
    derived = probe.records[1].id
    events = Events()
    squatter = event("x", id=derived)
    events.fold(batch_of(squatter, event("a"), event("a", subject="b")), NOW)
    assert len({found.id for found in events.records}) == 3
    assert {found.subject for found in events.records} == {"x", "a", "b"}


def test_an_event_leaves_with_its_expiry() -> None:
    events = Events()
    events.fold(batch_of(event("a", expires_at=int(NOW) + 10), event("b")), NOW)
    assert events.expire(NOW + 10) == 0
    assert events.expire(NOW + 10 + EXPIRY_GRACE_SECONDS) == 1
    assert events.members == {member_of(event("b"))}
    events.fold(batch_of(event("a")), NOW + 100)
    assert events.records == (event("b"), event("a"))


def test_what_does_not_fit_stays_in_the_inbox_and_displaces_nothing() -> None:
    size = len(member_of(event("a")))
    events = Events(bytes_max=2 * size)
    with logged() as lines:
        assert len(events.fold(batch_of(event("a"), event("b"), event("c"), event("a")), NOW)) == 3
        assert events.fold(batch_of(event("c")), NOW) == ()
        assert events.is_full
        assert events.members == {member_of(event("a")), member_of(event("b"))}
        events.expire(NOW + 1e6)
        later = event("c", expires_at=int(NOW) + 2_000_000)
        assert len(events.fold(batch_of(later), NOW + 1e6)) == 1
    assert not events.is_full
    assert [line.getMessage() for line in lines] == ["events-full", "events-fit-again"]


def test_only_events_in_force_are_restored() -> None:
    events = Events()
    left = [record("object"), event("old", expires_at=1), event("a"), event("a"), record("b", id="event:b")]
    assert events.restore(left, NOW) == 0
    assert events.records == (event("a"),)


def test_what_cannot_be_restored_is_counted() -> None:
    assert Events(bytes_max=1).restore([event("a"), event("b")], NOW) == 2


PODS = st.lists(
    st.builds(event, st.sampled_from("abc"), st.integers(int(NOW), int(NOW) + 3), subject=st.sampled_from("xy"))
)


@hypothesis.given(honest=PODS, hostile=PODS)
def test_no_sequence_of_entries_takes_from_what_was_revoked(
    honest: list[RevocationRecord], hostile: list[RevocationRecord]
) -> None:
    events = Events()
    events.fold(batch_of(*hostile[::2]), NOW)
    events.fold(batch_of(*honest), NOW)
    events.fold(batch_of(*hostile), NOW)
    kept = {matchers(found) for found in events.records}
    assert {matchers(sent) for sent in honest} <= kept
    assert len({found.id for found in events.records}) == len(events.records)
    assert all(event_fault(found) is None for found in events.records)
    # A restart from what was written finds the same.
    again = Events()
    again.restore(reversed(events.records), NOW)
    assert again.members == events.members
