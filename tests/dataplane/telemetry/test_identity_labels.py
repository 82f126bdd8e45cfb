"""Identities become labels of a bounded number, and nothing that a token holds breaks the page."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate_dataplane.telemetry.identity import visible
from wsgate_dataplane.telemetry.identity_labels import CHARACTERS_MAX, OTHER, IdentityLabels
from wsgate_dataplane.telemetry.metrics import Metrics


def claims(subject: object, username: object = None) -> dict[str, object]:
    return {"sub": subject, "preferred_username": username, "iss": "https://idp.example.com"}


def test_the_first_that_come_keep_their_places_and_the_rest_share_one() -> None:
    labels = IdentityLabels(2, "plain")
    assert labels.of(claims("alice", "al")) == ("alice", "al")
    assert labels.of(claims("alice", "ali")) == ("alice", "ali")
    assert labels.of(claims("bob")) == OTHER
    assert labels.of(claims("alice", "al")) == ("alice", "al")


@pytest.mark.parametrize("claim", [None, 7, ["alice"], {"a": 1}, ""])
def test_a_claim_that_is_no_text_is_an_empty_label(claim: object) -> None:
    assert IdentityLabels(1, "plain").of(claims(claim, claim)) == ("", "")


def test_a_hash_is_shown_where_the_log_shows_one() -> None:
    shown = (visible("alice", "hash"), visible("al", "hash"))
    assert IdentityLabels(1, "hash").of(claims("alice", "al")) == shown


def test_what_differs_only_behind_the_longest_value_counts_as_one() -> None:
    labels = IdentityLabels(1, "plain")
    first = labels.of(claims("a" * CHARACTERS_MAX + "1"))
    assert labels.of(claims("a" * CHARACTERS_MAX + "2")) == first == ("a" * CHARACTERS_MAX, "")


@pytest.mark.parametrize("claim", ["a\rb", "a\nb", "a\ud800b", "a\u2028b", "a\x00b"])
def test_what_cannot_be_printed_is_a_question_mark(claim: str) -> None:
    assert IdentityLabels(1, "plain").of(claims(claim)) == ("a?b", "")


values = st.one_of(st.text(st.characters(exclude_categories=())), st.none(), st.integers(), st.lists(st.text()))


@given(st.lists(st.dictionaries(st.sampled_from(["sub", "preferred_username"]), values)))
def test_the_page_stays_readable_and_bounded_whatever_tokens_hold(payloads: list[dict[str, Any]]) -> None:
    metrics = Metrics(IdentityLabels(3, "plain"))
    for payload in payloads:
        metrics.authenticated(payload)
    page = metrics.exposition().decode()
    series = [line for line in page.splitlines() if line.startswith("ws_auth_success_total{")]
    assert len(series) <= 3 + 1
    assert sum(float(line.rsplit(" ", 1)[1]) for line in series) == len(payloads)
