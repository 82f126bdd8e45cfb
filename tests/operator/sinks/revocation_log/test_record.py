"""What a pod may send: everything else is refused, with words that quote nothing of it."""

import json
from typing import Any

import hypothesis
import hypothesis.strategies as st
import pytest

from tests.operator.sinks.revocation_log.house import NOW, event, record
from wsgate_contract.revocation_log import LogEntryError, member_of
from wsgate_operator.sinks.revocation_log.record import (
    EXPIRY_GRACE_SECONDS,
    MEMBER_BYTES_MAX,
    TIME_MAX,
    event_fault,
    event_of_member,
    is_live_event,
    is_over,
)

GOOD: dict[str, Any] = {"id": "event:1", "subject": "alice", "expiresAt": 2_000_000_000}

REFUSED = {
    "no JSON": "{",
    "another type": "[]",
    "an unknown field": {**GOOD, "secret": 1},
    "a number as text": {**GOOD, "expiresAt": "2000000000"},
    "an object's id": {**GOOD, "id": "team/alice"},
    "an epoch": {**GOOD, "id": "epoch:1"},
    "an id that ends a line": {**GOOD, "id": "event:1\n"},
    "an id that colours a terminal": {**GOOD, "id": "event:\x1b[31m"},
    "an empty id": {**GOOD, "id": "event:"},
    "a long id": {**GOOD, "id": "event:" + "x" * 129},
    "no expiry": {key: value for key, value in GOOD.items() if key != "expiresAt"},
    "an expiry beyond all dates": {**GOOD, "expiresAt": TIME_MAX + 1},
    "an expiry that no float holds": {**GOOD, "expiresAt": 10**400},
    "an issue time beyond all dates": {**GOOD, "issuedBefore": 10**30},
    "a negative time": {**GOOD, "expiresAt": -1},
    "half a surrogate": '{"id":"event:1","subject":"\\ud800","expiresAt":2000000000}',
    "bytes that are no text": '{"id":"event:1","subject":"\udcff","expiresAt":2000000000}',
    "depth": "[" * 10_000,
    "length": {**GOOD, "subject": "x" * MEMBER_BYTES_MAX},
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_no_pod_of_ours_sends_is_refused_without_quoting_it(case: str) -> None:
    text = REFUSED[case]
    with pytest.raises(LogEntryError) as refused:
        event_of_member(text if isinstance(text, str) else json.dumps(text))
    assert "alice" not in str(refused.value)
    assert len(str(refused.value)) < 200


def test_what_a_pod_sends_is_read_whatever_its_spelling() -> None:
    expected = event("1", subject="alice", expires_at=2_000_000_000)
    assert event_of_member(json.dumps(GOOD)) == expected
    assert event_of_member(member_of(expected)) == expected


@hypothesis.given(st.text() | st.dictionaries(st.sampled_from([*GOOD, "jti", "claim"]), st.text() | st.integers()))
def test_any_text_is_a_sound_event_or_refused(content: str | dict[str, Any]) -> None:
    text = content if isinstance(content, str) else json.dumps({**GOOD, **content})
    try:
        found = event_of_member(text)
    except LogEntryError:
        return
    assert event_fault(found) is None
    assert event_of_member(member_of(found)) == found


def test_a_record_is_kept_a_while_beyond_its_expiry() -> None:
    assert not is_over(record("a"), NOW)
    ending = event("a", expires_at=int(NOW))
    assert not is_over(ending, NOW + EXPIRY_GRACE_SECONDS - 1)
    assert is_over(ending, NOW + EXPIRY_GRACE_SECONDS)


def test_only_an_event_in_force_is_a_live_one() -> None:
    assert is_live_event(member_of(event("a")), NOW)
    assert not is_live_event(member_of(event("a", expires_at=1)), NOW)
    assert not is_live_event(member_of(record("a")), NOW)
    assert not is_live_event("epoch:1", NOW)
