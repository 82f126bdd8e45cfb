"""The revocation log's values: what is written is what is read, and no loss goes unseen."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from wsgate_contract.revocation import RevocationRecord
from wsgate_contract.revocation_log import (
    Keys,
    LogEntry,
    LogEntryError,
    PodLease,
    SetDigest,
    member_of,
    record_of_member,
    score_of,
)


def test_keys_share_the_hash_tag_of_their_gateway() -> None:
    keys = Keys("edge")
    names = [keys.revocations, keys.log, keys.inbox, keys.wake, keys.operator, keys.pod("a")]
    assert all(name.startswith("{edge}:") for name in names)
    assert len(set(names)) == len(names)


@given(st.text(min_size=1, max_size=20), st.integers(min_value=0, max_value=2**40))
def test_a_record_survives_its_member_text(subject: str, expires_at: int) -> None:
    record = RevocationRecord(id="event:1", subject=subject, expires_at=expires_at)
    assert record_of_member(member_of(record)) == record
    assert score_of(record) == expires_at


def test_a_record_without_expiry_scores_for_ever() -> None:
    assert score_of(RevocationRecord(id="a/b", jti="1")) == float("inf")


@pytest.mark.parametrize("member", ["", "{}", "[]", "epoch:1", '{"id": "x", "unheardOf": 1}'])
def test_a_member_that_is_no_record_is_an_error(member: str) -> None:
    with pytest.raises(LogEntryError):
        record_of_member(member)


@given(st.sets(st.text(max_size=8), max_size=8), st.text(min_size=9, max_size=12))
def test_a_digest_kept_step_by_step_equals_that_of_the_whole(members: set[str], other: str) -> None:
    stepwise = SetDigest()
    for member in sorted(members):
        stepwise = stepwise.added(member)
    assert stepwise == SetDigest.of(members)
    assert stepwise.added(other).removed(other) == stepwise
    assert stepwise.added(other) != stepwise


@pytest.mark.parametrize("change", ["add", "remove", "reset"])
def test_an_entry_survives_its_fields(change: str) -> None:
    fields = {"change": change, "record": "m", "epoch": "e", "count": "1", "digest": SetDigest.of(["m"]).text}
    assert LogEntry.from_fields(fields).to_fields() == fields


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"change": "drop", "epoch": "e", "count": "1", "digest": "0"},
        {"change": "add", "epoch": "e", "count": "one", "digest": "0"},
        {"change": "add", "epoch": "e", "count": "1", "digest": "xyz"},
    ],
)
def test_an_entry_with_odd_fields_is_an_error(fields: dict[str, str]) -> None:
    with pytest.raises(LogEntryError):
        LogEntry.from_fields(fields)


def test_a_lease_says_cursor_and_version() -> None:
    lease = PodLease(log_cursor="5-0", routes_version=7)
    assert PodLease.model_validate_json(lease.model_dump_json(by_alias=True)) == lease


@pytest.mark.parametrize("cursor", ["", "0", "0-0", "18446744073709551615-18446744073709551615"])
def test_a_lease_takes_every_id_of_a_stream(cursor: str) -> None:
    assert PodLease(log_cursor=cursor).log_cursor == cursor


@pytest.mark.parametrize("cursor", ["9" * 5_000 + "-1", "1-" + "9" * 21, "rubbish", "1-x", "1-1\n", "\u0663-1"])
def test_a_lease_with_a_cursor_that_is_no_streams_id_is_none(cursor: str) -> None:
    with pytest.raises(ValidationError):
        PodLease.model_validate_json(json.dumps({"logCursor": cursor}))
