"""A log line shows as much of a person as the setting lets through."""

import pytest

from wsgate_dataplane.telemetry.identity import Mode, visible


@pytest.mark.parametrize(("mode", "shown"), [("plain", "alice"), ("hash", "2bd806c97f0e00af"), ("none", None)])
def test_a_subject_is_shown_plain_hashed_or_not_at_all(mode: Mode, shown: str | None) -> None:
    assert visible("alice", mode) == shown


@pytest.mark.parametrize("mode", ["plain", "hash", "none"])
def test_a_missing_value_stays_missing(mode: Mode) -> None:
    assert visible(None, mode) is None


def test_a_lone_surrogate_is_hashed_too() -> None:
    assert len(visible("\ud800", "hash") or "") == 16
