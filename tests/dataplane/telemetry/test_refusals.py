"""The ring remembers the last refusals, and nothing that may not be kept."""

import hashlib

import pytest

from wsgate_dataplane.outcomes.table import OUTCOMES, Reason
from wsgate_dataplane.telemetry.identity import Mode
from wsgate_dataplane.telemetry.refusals import REFUSALS_MAX, TEXT_CHARACTERS_MAX, Refusal, RefusalRing

TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl"


def refusal(
    request_id: str = "r-1", subject: str | None = "alice", path: str = "/echo", detail: str = ""
) -> Refusal:
    return Refusal(
        1.5, request_id, Reason.TOKEN_EXPIRED, detail, path, "192.0.2.1", 401, "default/echo", subject=subject
    )


def test_a_refusal_carries_the_advice_of_its_reason() -> None:
    assert refusal().advice == OUTCOMES[Reason.TOKEN_EXPIRED].advice


def test_the_newest_refusal_comes_first() -> None:
    ring = RefusalRing("plain")
    for name in "abc":
        ring.add(refusal(name))
    assert [each.request_id for each in ring.find()] == ["c", "b", "a"]
    assert [each.request_id for each in ring.find(limit=2)] == ["c", "b"]


def test_beyond_its_limit_the_ring_forgets_the_oldest() -> None:
    ring = RefusalRing("plain", limit=2)
    for name in "abc":
        ring.add(refusal(name))
    assert [each.request_id for each in ring.find()] == ["c", "b"]
    assert len(ring) == 2


def test_the_default_limit_is_a_thousand() -> None:
    ring = RefusalRing("plain")
    for number in range(REFUSALS_MAX + 1):
        ring.add(refusal(str(number)))
    assert len(ring) == REFUSALS_MAX == 1000


def test_all_that_is_asked_for_must_match() -> None:
    ring = RefusalRing("plain")
    ring.add(refusal("r-1", "alice"))
    ring.add(refusal("r-2", "bob"))
    ring.add(refusal("r-3", None))
    assert [each.request_id for each in ring.find(subject="alice")] == ["r-1"]
    assert [each.subject for each in ring.find(request_id="r-2")] == ["bob"]
    assert ring.find(request_id="r-2", subject="alice") == ()


def test_a_hashed_subject_is_found_by_the_plain_one() -> None:
    ring = RefusalRing("hash")
    ring.add(refusal(subject="alice"))
    ring.add(refusal(subject="bob"))
    (found,) = ring.find(subject="alice")
    assert found.subject == hashlib.sha256(b"alice").hexdigest()[:16]


def test_with_identity_none_no_subject_is_kept_and_none_is_found() -> None:
    ring = RefusalRing("none")
    ring.add(refusal(subject="alice"))
    assert [each.subject for each in ring.find()] == [None]
    assert ring.find(subject="alice") == ()


@pytest.mark.parametrize(("mode", "keeps"), [("plain", True), ("hash", True), ("none", False)])
def test_the_ring_says_whether_it_keeps_subjects(mode: Mode, *, keeps: bool) -> None:
    assert RefusalRing(mode).keeps_subjects is keeps


@pytest.mark.parametrize(
    "text",
    [
        f"/mqtt/{TOKEN}",
        f"/mqtt/{TOKEN}/x",
        f"/mqtt/{TOKEN.replace('.', '%2E')}",
        TOKEN[:40],
        "x" * (TEXT_CHARACTERS_MAX - 4) + TOKEN,
    ],
    ids=["whole", "in the middle", "with encoded dots", "cut", "at the limit"],
)
def test_a_token_in_a_path_or_a_detail_is_masked(text: str) -> None:
    ring = RefusalRing("plain")
    ring.add(refusal(path=text, detail=f"found {text}"))
    (found,) = ring.find()
    for kept in (found.path, found.detail):
        assert "eyJ" not in kept
        assert "<token>" in kept or len(kept) == TEXT_CHARACTERS_MAX


def test_a_word_that_only_begins_like_a_token_is_left_alone() -> None:
    ring = RefusalRing("plain")
    ring.add(refusal(path="/eye/keys"))
    assert ring.find()[0].path == "/eye/keys"


def test_no_text_of_a_stranger_is_kept_in_full_length() -> None:
    ring = RefusalRing("plain")
    long = "x" * 100_000
    ring.add(refusal(path=long, detail=long, subject=long))
    (found,) = ring.find(subject=long)
    assert {len(text or "") for text in (found.path, found.detail, found.subject)} == {TEXT_CHARACTERS_MAX}
