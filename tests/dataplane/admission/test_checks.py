"""Claims against the provider's and the route's rules."""

from dataclasses import dataclass
from typing import Any

import pytest

from wsgate_contract.route import RequiredClaim
from wsgate_dataplane.admission.checks import check_required_claims, check_token
from wsgate_dataplane.admission.claims import Claims
from wsgate_dataplane.outcomes.refusal import Refused
from wsgate_dataplane.outcomes.table import Reason
from wsgate_dataplane.values import changed

NOW = 1_800_000_000
LEEWAY = 30


@dataclass(frozen=True)
class Rules:
    issuer: str | None = "https://idp"
    audiences: tuple[str, ...] = ("gateway", "other")
    authorized_parties: tuple[str, ...] = ()


GOOD = Claims(
    payload={},
    expires_at=NOW + 300,
    issuer="https://idp",
    issued_at=NOW,
    not_before=NOW,
    azp="web",
    audiences=("account", "gateway"),
)


def refusal(claims: Claims, rules: Rules | None = None, lifetime: int | None = None) -> tuple[Reason, str] | None:
    try:
        check_token(
            claims, rules or Rules(), NOW, leeway_seconds=LEEWAY, max_token_lifetime_seconds=lifetime
        )  # fmt: skip
    except Refused as refused:
        return refused.reason, refused.detail
    return None


def reason(claims: Claims, rules: Rules | None = None, lifetime: int | None = None) -> Reason | None:
    found = refusal(claims, rules, lifetime)
    return found[0] if found else None


def test_a_good_token_passes() -> None:
    assert refusal(GOOD, Rules(authorized_parties=("web",)), lifetime=300) is None


@pytest.mark.parametrize("issuer", [None, "https://idp/", "HTTPS://IDP", "https://other"])
def test_iss_is_compared_byte_for_byte(issuer: str | None) -> None:
    assert reason(changed(GOOD, issuer=issuer)) is Reason.TOKEN_ISSUER
    assert reason(changed(GOOD, issuer=issuer), Rules(issuer=None)) is None


@pytest.mark.parametrize("audiences", [(), ("account",), ("Gateway",), ("*",)])
def test_one_aud_must_be_among_the_accepted_ones(audiences: tuple[str, ...]) -> None:
    claims = changed(GOOD, audiences=audiences)
    assert reason(claims) is Reason.TOKEN_AUDIENCE
    assert reason(claims, Rules(audiences=())) is None
    assert reason(claims, Rules(audiences=("*",))) is None


def test_an_audience_of_only_account_is_told_about_the_missing_mapper() -> None:
    assert refusal(changed(GOOD, audiences=("account",))) == (
        Reason.TOKEN_AUDIENCE,
        "expected aud, one of ['gateway', 'other'], found ['account'] (Keycloak's default token: add an Audience "
        "mapper to the client; authorizedParties does not replace it)",
    )
    other = refusal(changed(GOOD, audiences=("elsewhere",)))
    assert other is not None and "mapper" not in other[1]


def test_azp_must_be_listed_where_a_list_is_given() -> None:
    rules = Rules(authorized_parties=("mobile",))
    assert refusal(GOOD, rules) == (
        Reason.TOKEN_AUTHORIZED_PARTY,
        "expected azp, one of ['mobile'], found 'web'",
    )
    assert reason(changed(GOOD, azp=None), rules) is Reason.TOKEN_AUTHORIZED_PARTY


@pytest.mark.parametrize(
    ("name", "last_good", "first_bad", "told"),
    [
        ("expires_at", NOW - LEEWAY + 1, NOW - LEEWAY, Reason.TOKEN_EXPIRED),
        ("not_before", NOW + LEEWAY, NOW + LEEWAY + 1, Reason.TOKEN_NOT_YET_VALID),
        ("issued_at", NOW + LEEWAY, NOW + LEEWAY + 1, Reason.TOKEN_NOT_YET_VALID),
    ],
)
def test_times_hold_to_the_second_of_the_leeway(name: str, last_good: int, first_bad: int, told: Reason) -> None:
    changes: dict[str, Any] = {name: last_good}
    assert reason(changed(GOOD, **changes)) is None
    changes = {name: first_bad}
    assert reason(changed(GOOD, **changes)) is told


def test_a_token_without_iat_and_nbf_passes_where_no_lifetime_is_asked_for() -> None:
    bare = changed(GOOD, issued_at=None, not_before=None)
    assert reason(bare) is None
    assert reason(bare, lifetime=300) is Reason.TOKEN_LIFETIME


def test_a_token_that_lives_too_long_is_refused_even_while_it_is_young() -> None:
    assert refusal(GOOD, lifetime=299) == (
        Reason.TOKEN_LIFETIME,
        "expected exp - iat of at most 299 s, found 300",
    )


def test_required_claims_must_all_hold_with_one_value_each() -> None:
    payload = {"roles": ["user", "chat"], "tenant": {"id": "blue"}}
    roles = RequiredClaim(claim="roles", any_of=("admin", "chat"))
    check_required_claims(payload, ())
    check_required_claims(payload, (roles, RequiredClaim(claim="tenant.id", any_of=("blue",))))
    with pytest.raises(Refused) as refused:
        check_required_claims(payload, (roles, RequiredClaim(claim="tenant.id", any_of=("red", "green"))))
    assert refused.value.reason is Reason.TOKEN_CLAIM_MISSING
    assert refused.value.detail == "expected tenant.id, one of ['red', 'green'], found ['blue']"


@pytest.mark.parametrize(
    "payload", [{}, {"roles": None}, {"roles": {}}, {"roles": "user,admin"}, {"roles": [["admin"]]}]
)
def test_a_claim_that_only_resembles_the_value_does_not_hold(payload: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        check_required_claims(payload, (RequiredClaim(claim="roles", any_of=("admin",)),))
