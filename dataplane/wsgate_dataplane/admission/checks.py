"""Whether verified claims satisfy provider and route; every check is a function of values."""

from collections.abc import Mapping
from typing import Any, Protocol

from wsgate_contract.route import RequiredClaim
from wsgate_dataplane.admission.claims import Claims, claim_values
from wsgate_dataplane.admission.wording import expected
from wsgate_dataplane.outcomes.refusal import Refused
from wsgate_dataplane.outcomes.table import Reason

ANY_AUDIENCE = "*"

KEYCLOAK_HINT = (
    " (Keycloak's default token: add an Audience mapper to the client; authorizedParties does not replace it)"
)


class ProviderRules(Protocol):
    """What the checks need to know of a provider."""

    @property
    def issuer(self) -> str | None:
        """Required iss; None: not checked."""

    @property
    def audiences(self) -> tuple[str, ...]:
        """Accepted aud values; empty: not checked; "*": any."""

    @property
    def authorized_parties(self) -> tuple[str, ...]:
        """Accepted azp values; empty: not checked."""


def check_token(
    claims: Claims,
    provider: ProviderRules,
    now: float,
    *,
    leeway_seconds: int,
    max_token_lifetime_seconds: int | None = None,
) -> None:
    """Raises Refused with the first rule that does not hold; now in Unix seconds."""
    if provider.issuer is not None and claims.issuer != provider.issuer:
        raise Refused(Reason.TOKEN_ISSUER, expected(f"iss {provider.issuer!r}", claims.issuer))
    _check_audience(claims, provider.audiences)
    if provider.authorized_parties and claims.azp not in provider.authorized_parties:
        wanted = f"azp, one of {list(provider.authorized_parties)}"
        raise Refused(Reason.TOKEN_AUTHORIZED_PARTY, expected(wanted, claims.azp))
    _check_times(claims, now, leeway_seconds)
    if max_token_lifetime_seconds is not None:
        _check_lifetime(claims, max_token_lifetime_seconds)


def _check_audience(claims: Claims, accepted: tuple[str, ...]) -> None:
    if not accepted or ANY_AUDIENCE in accepted or not set(accepted).isdisjoint(claims.audiences):
        return
    hint = KEYCLOAK_HINT if claims.audiences in ((), ("account",)) else ""
    found = list(claims.audiences) or None
    raise Refused(Reason.TOKEN_AUDIENCE, expected(f"aud, one of {list(accepted)}", found) + hint)


def _check_times(claims: Claims, now: float, leeway_seconds: int) -> None:
    if now >= claims.expires_at + leeway_seconds:
        wanted = f"exp after {now:.0f} less {leeway_seconds} s leeway"
        raise Refused(Reason.TOKEN_EXPIRED, expected(wanted, claims.expires_at))
    for name, value in (("nbf", claims.not_before), ("iat", claims.issued_at)):
        if value is not None and value > now + leeway_seconds:
            wanted = f"{name} at most {now:.0f} plus {leeway_seconds} s leeway"
            raise Refused(Reason.TOKEN_NOT_YET_VALID, expected(wanted, value))


def _check_lifetime(claims: Claims, seconds_max: int) -> None:
    # Without iat a token could have been issued years ago; it cannot show that it is short-lived.
    lifetime = None if claims.issued_at is None else claims.expires_at - claims.issued_at
    if lifetime is None or lifetime > seconds_max:
        raise Refused(Reason.TOKEN_LIFETIME, expected(f"exp - iat of at most {seconds_max} s", lifetime))


def check_required_claims(payload: Mapping[str, Any], required: tuple[RequiredClaim, ...]) -> None:
    """Raises Refused(TOKEN_CLAIM_MISSING) for the first claim that has none of the values."""
    for rule in required:
        found = claim_values(payload, rule.claim)
        if set(found).isdisjoint(rule.any_of):
            wanted = f"{rule.claim}, one of {list(rule.any_of)}"
            raise Refused(Reason.TOKEN_CLAIM_MISSING, expected(wanted, list(found) or None))
