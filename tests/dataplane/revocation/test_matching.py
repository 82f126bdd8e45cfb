"""A record touches a session when every matcher that it gives holds, and only then."""

import base64
import json
from typing import Any

import pytest

from wsgate_contract.revocation import ClaimMatch, RevocationRecord
from wsgate_dataplane.revocation.matching import Identity, is_in_force, matches
from wsgate_dataplane.values import changed

CLAIMS = {
    "realm_access": {"roles": ["user", "admin"]},
    "tenant": "blue",
    "https://example.com/plan": {"name": "free"},
    "sub": "alice",
}


def segment(claims: dict[str, Any]) -> bytes:
    """A token's payload as it comes: base64url without padding."""
    return base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=")


ALICE = Identity(
    namespace="shop",
    issuer="https://idp.test",
    subject="alice",
    jti="token-1",
    session_id="login-1",
    issued_at=1000,
    token_sha256="ab" * 32,
    payload=segment(CLAIMS),
)
MATCHERS: dict[str, tuple[Any, Any]] = {
    "jti": ("token-1", "token-2"),
    "subject": ("alice", "bob"),
    "session_id": ("login-1", "login-2"),
    "token_sha256": ("ab" * 32, "cd" * 32),
    "claim": (ClaimMatch(claim="tenant", value="blue"), ClaimMatch(claim="tenant", value="red")),
}
NARROWING: dict[str, tuple[Any, Any]] = {
    "issuer": ("https://idp.test", "https://other.test"),
    "issued_before": (1000, 999),
    "namespace": ("shop", "bank"),
}
ALL = MATCHERS | NARROWING


def record(**matchers: Any) -> RevocationRecord:
    return RevocationRecord(id="root/r", **matchers)


@pytest.mark.parametrize("matcher", MATCHERS)
def test_each_matcher_alone_tells_the_session_from_another(matcher: str) -> None:
    right, wrong = MATCHERS[matcher]
    assert matches(record(**{matcher: right}), ALICE)
    assert not matches(record(**{matcher: wrong}), ALICE)


def test_all_matchers_together_touch_the_session_that_fits_all() -> None:
    assert matches(record(**{name: right for name, (right, _) in ALL.items()}), ALICE)


@pytest.mark.parametrize("matcher", ALL)
def test_one_matcher_that_does_not_hold_spares_the_session(matcher: str) -> None:
    given = {name: right for name, (right, _) in ALL.items()}
    assert not matches(record(**(given | {matcher: ALL[matcher][1]})), ALICE)


@pytest.mark.parametrize("narrowing", NARROWING)
@pytest.mark.parametrize("matcher", MATCHERS)
def test_every_pair_of_matcher_and_narrowing_must_hold_together(matcher: str, narrowing: str) -> None:
    right, wrong = NARROWING[narrowing]
    given = {matcher: MATCHERS[matcher][0]}
    assert matches(record(**given, **{narrowing: right}), ALICE)
    assert not matches(record(**given, **{narrowing: wrong}), ALICE)


@pytest.mark.parametrize("matcher", MATCHERS)
def test_a_session_without_a_token_is_touched_by_no_matcher(matcher: str) -> None:
    assert not matches(record(**{matcher: MATCHERS[matcher][0]}), Identity("shop"))


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"namespace": "shop"},
        {"issuer": "https://idp.test"},
        {"issued_before": 5000},
        {"issued_before": 5000, "namespace": "shop"},
    ],
    ids=str,
)
def test_a_record_without_a_matcher_touches_nobody(given: dict[str, Any]) -> None:
    assert not matches(record(**given), ALICE)


def test_an_issuers_tokens_up_to_a_moment_can_be_revoked_at_once() -> None:
    leaked = record(issuer="https://idp.test", issued_before=1000)
    assert matches(leaked, ALICE)
    assert not matches(leaked, changed(ALICE, issued_at=1001))
    assert not matches(leaked, changed(ALICE, issuer="https://other.test"))
    assert not matches(leaked, Identity("shop"))


def test_a_ban_touches_every_login_of_the_subject() -> None:
    ban = record(subject="alice")
    assert all(matches(ban, changed(ALICE, issued_at=iat)) for iat in (None, 0, 1000, 2**40))


@pytest.mark.parametrize(("issued_at", "is_touched"), [(999, True), (1000, True), (1001, False), (None, True)])
def test_a_kick_spares_logins_of_a_later_second_and_a_token_without_iat_counts_as_older(
    issued_at: int | None, *, is_touched: bool
) -> None:
    kick = record(subject="alice", issued_before=1000)
    assert matches(kick, changed(ALICE, issued_at=issued_at)) is is_touched


def test_a_record_without_an_issuer_means_every_issuer() -> None:
    for issuer in (None, "https://idp.test", "https://other.test"):
        assert matches(record(jti="token-1"), changed(ALICE, issuer=issuer))


def test_a_tenants_record_touches_only_routes_of_its_namespace_and_the_roots_all() -> None:
    elsewhere = changed(ALICE, namespace="bank")
    assert not matches(record(namespace="shop", subject="alice"), elsewhere)
    assert matches(record(subject="alice"), elsewhere)


@pytest.mark.parametrize(
    ("claim", "value", "is_touched"),
    [
        ("realm_access.roles", "admin", True),
        ("realm_access.roles", "user", True),
        ("realm_access.roles", "adm", False),
        ("realm_access", "admin", False),
        ("realm_access.roles.deeper", "admin", False),
        ("nothing", "admin", False),
        ('"https://example.com/plan".name', "free", True),
    ],
)
def test_a_claim_is_found_by_its_dotted_path_and_in_lists(claim: str, value: str, *, is_touched: bool) -> None:
    asked = record(claim=ClaimMatch(claim=claim, value=value))
    assert matches(asked, ALICE) is is_touched


@pytest.mark.parametrize("length", range(4))
def test_a_payload_of_any_length_is_decoded_without_its_padding(length: int) -> None:
    payload = segment({"tenant": "x" * length})
    asked = record(claim=ClaimMatch(claim="tenant", value="x" * length))
    assert matches(asked, Identity("shop", payload=payload))


@pytest.mark.parametrize(
    ("expires_at", "now", "is_over"), [(None, 1e12, False), (100, 99.9, False), (100, 100, True), (100, 101, True)]
)
def test_a_record_is_in_force_until_the_moment_it_names(
    expires_at: int | None, now: float, *, is_over: bool
) -> None:
    assert is_in_force(record(jti="j", expires_at=expires_at), now) is not is_over
