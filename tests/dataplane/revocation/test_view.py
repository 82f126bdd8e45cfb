"""The view finds by index what comparing every record would find."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dataplane.revocation.test_matching import segment
from wsgate_contract.revocation import ClaimMatch, RevocationRecord
from wsgate_dataplane.revocation.matching import Identity, is_in_force, matches
from wsgate_dataplane.revocation.view import RevocationView

FEW = st.sampled_from(["a", "b"])
MAYBE = st.none() | FEW
SECONDS = st.integers(0, 3)
RECORDS = st.lists(
    st.builds(
        RevocationRecord,
        id=st.sampled_from([f"shop/{number}" for number in range(6)]),
        namespace=MAYBE,
        jti=MAYBE,
        subject=MAYBE,
        session_id=MAYBE,
        token_sha256=MAYBE,
        issuer=MAYBE,
        claim=st.none() | st.builds(ClaimMatch, claim=st.just("role"), value=FEW),
        issued_before=st.none() | SECONDS,
        expires_at=st.none() | SECONDS,
    ),
    max_size=6,
    unique_by=lambda record: record.id,
)
IDENTITIES = st.builds(
    Identity,
    namespace=FEW,
    issuer=MAYBE,
    subject=MAYBE,
    jti=MAYBE,
    session_id=MAYBE,
    issued_at=st.none() | SECONDS,
    token_sha256=MAYBE,
    payload=st.just(b"") | FEW.map(lambda role: segment({"role": role})),
)


def view_of(*records: RevocationRecord) -> RevocationView:
    view = RevocationView()
    view.replace(records)
    return view


def record(id_: str = "shop/r", **fields: Any) -> RevocationRecord:
    return RevocationRecord(id=id_, **fields)


@given(RECORDS, IDENTITIES, SECONDS)
def test_the_index_finds_what_comparing_every_record_finds(
    records: list[RevocationRecord], identity: Identity, now: int
) -> None:
    touching = [each for each in records if is_in_force(each, now) and matches(each, identity)]
    found = view_of(*records).revoked_by(identity, now)
    assert found in touching if touching else found is None


@given(RECORDS, RECORDS, IDENTITIES, SECONDS)
def test_replace_tells_new_and_changed_records_and_forgets_the_rest(
    before: list[RevocationRecord], after: list[RevocationRecord], identity: Identity, now: int
) -> None:
    view = view_of(*before)
    assert set(view.replace(after)) == set(after) - set(before)
    assert len(view) == len(after)
    assert view.revoked_by(identity, now) == view_of(*after).revoked_by(identity, now)


def test_the_same_records_again_are_nothing_new() -> None:
    view = view_of(record(jti="a"))
    assert view.replace([record(jti="a")]) == ()


def test_a_longer_expiry_makes_a_record_a_changed_one() -> None:
    view = view_of(record(jti="a", expires_at=100))
    assert view.replace([record(jti="a", expires_at=200)]) == (record(jti="a", expires_at=200),)
    assert view.revoked_by(Identity("shop", jti="a"), 150) is not None


def test_an_expired_record_stops_touching_without_being_replaced() -> None:
    view = view_of(record(jti="a", expires_at=100))
    assert view.revoked_by(Identity("shop", jti="a"), 99.9) is not None
    assert view.revoked_by(Identity("shop", jti="a"), 100) is None


def test_an_expired_record_does_not_hide_one_that_is_in_force() -> None:
    view = view_of(record("shop/old", jti="a", expires_at=1), record("shop/new", jti="a"))
    found = view.revoked_by(Identity("shop", jti="a"), 50)
    assert found is not None
    assert found.id == "shop/new"


def test_no_records_touch_nobody_and_an_emptied_view_forgets() -> None:
    view = view_of()
    assert view.revoked_by(Identity("shop", jti="a"), 0) is None
    view.replace([record(jti="a")])
    view.replace([])
    assert view.revoked_by(Identity("shop", jti="a"), 0) is None


@pytest.mark.parametrize(
    ("confirmed_at", "is_stale"), [(None, True), (1000.0, False), (940.0, False), (939.9, True)]
)
def test_a_view_is_stale_when_no_channel_has_confirmed_it_for_longer_than_allowed(
    confirmed_at: float | None, *, is_stale: bool
) -> None:
    view = view_of()
    view.confirmed_at = confirmed_at
    assert view.is_stale(1000.0, 60) is is_stale


def test_a_view_that_no_channel_ever_confirmed_is_stale_although_it_holds_records() -> None:
    assert view_of(record(jti="a")).is_stale(0, 3600)
