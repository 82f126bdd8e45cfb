"""The view finds by index what comparing every record would find."""

import gc
import tracemalloc
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dataplane.revocation.test_matching import segment
from tests.support.calls import calls_of
from wsgate_contract.revocation import ClaimMatch, RevocationRecord
from wsgate_contract.revocation_log import LogEntryError, member_of
from wsgate_dataplane.revocation.matching import Identity, is_in_force, matches
from wsgate_dataplane.revocation.view import CHANNELS, Channel, ChannelState, RevocationView

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
        claim=st.none()
        | st.builds(ClaimMatch, claim=st.sampled_from(["role", '"role"', "realm.role"]), value=FEW),
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
    payload=st.just(b"")
    | st.builds(lambda role, other: segment({"role": role, "realm": {"role": [other, other]}}), FEW, FEW),
)


def view_of(*records: RevocationRecord) -> RevocationView:
    view = RevocationView()
    view.replace(records)
    return view


def members(records: Iterable[RevocationRecord]) -> frozenset[str]:
    return frozenset(map(member_of, records))


def record(id_: str = "shop/r", **fields: Any) -> RevocationRecord:
    return RevocationRecord(id=id_, **fields)


@given(RECORDS, IDENTITIES, SECONDS)
def test_the_index_finds_what_comparing_every_record_finds(
    records: list[RevocationRecord], identity: Identity, now: int
) -> None:
    touching = [each for each in records if is_in_force(each, now) and matches(each, identity)]
    found = view_of(*records).revoked_by(identity, now)
    assert found in touching if touching else found is None


@given(st.dictionaries(st.sampled_from(CHANNELS), RECORDS), IDENTITIES, SECONDS)
def test_a_record_counts_for_as_long_as_any_channel_holds_it(
    held: dict[Channel, list[RevocationRecord]], identity: Identity, now: int
) -> None:
    view = RevocationView()
    for channel, records in held.items():
        view.replace_members(channel, members(records))
    left = {record for records in held.values() for record in records}
    for channel, records in held.items():
        assert {each for each, channels in view.records() if channel in channels} == set(records)
    for channel in CHANNELS:
        touching = [each for each in left if is_in_force(each, now) and matches(each, identity)]
        assert (view.revoked_by(identity, now) is None) == (not touching)
        view.retain(channel, frozenset())
        held.pop(channel, None)
        left = {record for records in held.values() for record in records}
    assert len(view) == 0
    assert view.revoked_by(identity, now) is None


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


ALICE = Identity("shop", subject="alice")


def test_only_what_no_channel_held_is_told_as_new() -> None:
    view = RevocationView()
    ban = record(subject="alice")
    assert view.add("redis", member_of(ban)) == ban
    assert view.add("redis", member_of(ban)) is None
    assert view.replace_members("file", members([ban])) == ()
    view.discard("redis", member_of(ban))
    assert view.add("inbox", member_of(ban)) is None
    assert [(each, channels) for each, channels in view.records()] == [(ban, ("inbox", "file"))]


def test_a_channel_that_drops_a_record_lifts_nothing_that_another_holds() -> None:
    view = RevocationView()
    ban = member_of(record(subject="alice"))
    view.add("redis", ban)
    view.add("file", ban)
    view.retain("redis", frozenset())
    assert not view.holds("redis", ban) and view.holds("file", ban)
    assert view.revoked_by(ALICE, 0) is not None
    view.discard("file", ban)
    view.discard("file", ban)
    assert view.revoked_by(ALICE, 0) is None


def test_one_id_with_two_contents_counts_twice_and_the_most_restrictive_wins() -> None:
    view = RevocationView()
    kick, ban = record(subject="alice", issued_before=10), record(subject="alice")
    view.add("file", member_of(kick))
    view.add("redis", member_of(ban))
    assert len(view) == 2
    assert view.revoked_by(Identity("shop", subject="alice", issued_at=11), 0) == ban


@pytest.mark.parametrize("member", ["", "{}", "epoch:1", "\udcff", '{"id":"a","subject":"ä"}'])
def test_what_is_no_record_changes_nothing(member: str) -> None:
    view = RevocationView()
    with pytest.raises(LogEntryError):
        view.add("inbox", member)
    assert len(view) == 0
    assert not view.holds("inbox", member)


def test_the_channels_tell_what_they_hold_and_when_they_were_confirmed() -> None:
    view = view_of(record(subject="alice"))
    view.add("redis", member_of(record(subject="alice")))
    view.add("redis", member_of(record(subject="bob")))
    view.confirm("file", 10)
    view.confirm("redis", 20)
    assert view.channels() == (
        ChannelState("redis", 2, 20),
        ChannelState("inbox", 0, None),
        ChannelState("file", 1, 10),
    )
    assert view.confirmed_at == 20


@pytest.mark.parametrize(
    ("redis", "file", "is_stale"),
    [
        (None, None, True),
        (None, 1000.0, False),
        (940.0, None, False),
        (939.9, 900.0, True),
        (900.0, 940.0, False),
    ],
)
def test_a_view_is_stale_when_no_channel_has_confirmed_it_for_longer_than_allowed(
    redis: float | None, file: float | None, *, is_stale: bool
) -> None:
    view = view_of(record(subject="alice"))
    view.confirm("redis", redis)
    view.confirm("file", file)
    assert view.is_stale(1000.0, 60) is is_stale


def test_a_hundred_thousand_records_take_less_than_sixty_megabytes() -> None:
    held = [
        member_of(record(f"event:{number:036}", subject=f"user-{number}", jti=f"{number:036}", expires_at=2**31))
        for number in range(2_000)
    ]
    gc.collect()
    tracemalloc.start()
    view = RevocationView()
    for member in held:
        view.add("redis", member)
        view.add("file", member)
    gc.collect()
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (taken / len(held) + len(held[0])) * 100_000 < 60e6


def test_a_view_without_a_word_of_a_channel_knows_of_no_confirmation() -> None:
    assert RevocationView().confirmed_at is None


@pytest.mark.parametrize("claim", ["a.a", "a.a{}"])
def test_a_namespaces_thousands_of_claims_cost_a_check_little(claim: str) -> None:
    view = view_of(
        *(record(f"shop/{i}", claim=ClaimMatch(claim=claim.format(i), value=f"v{i}")) for i in range(5_000))
    )
    identity = Identity("shop", payload=segment({"a": {"a": ["x", "y"]}}))
    assert view.revoked_by(identity, 0) is None
    assert calls_of(lambda: view.revoked_by(identity, 0)) < 500
    found = view.revoked_by(Identity("shop", payload=segment({"a": {claim.format(7)[2:]: "v7"}})), 0)
    assert found is not None and found.id == "shop/7"
    view.replace(())
    assert not view._by_claim and not view._records
