"""Which provider a token is from, and whether that provider signed it."""

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from wsgate_contract.route import Provider
from wsgate_dataplane.identity.compact import UnverifiedToken
from wsgate_dataplane.identity.jwks import FetchedKeys, InlineKeys, KeySource
from wsgate_dataplane.identity.signature import is_signed_by
from wsgate_dataplane.outcomes.refusal import Refused
from wsgate_dataplane.outcomes.table import Reason

ACCESS_TOKEN_TYPES = frozenset({"at+jwt", "application/at+jwt", "jwt"})
"""Header typ, in lower case (RFC 9068 2.1); Keycloak and most others say JWT, many say nothing."""
FOREIGN_PAYLOAD_TYPES = frozenset({"id", "refresh", "offline", "logout"})
"""Payload typ of Keycloak's other tokens."""
FOREIGN_MEMBERS = ("events", "nonce", "at_hash", "cnf")
"""Logout and security event tokens, ID tokens, and tokens bound to a key that we do not ask for."""


@dataclass(frozen=True)
class ProviderConfig:
    """One provider as a route or the environment configures it.

    issuer None and audiences empty mean "not checked", which only the environment can say.
    """

    issuer: str | None
    jwks_uri: str | None
    jwks_inline: str | None
    ca_bundle: str | None
    audiences: tuple[str, ...]
    authorized_parties: tuple[str, ...]
    algorithms: tuple[str, ...]
    scope: str
    provider_id: str = field(init=False, compare=False)
    """What is learned of a token belongs to it: same issuer, other tenant, other provider."""

    def __post_init__(self) -> None:
        values = {name: value for name, value in self.__dict__.items() if name != "provider_id"}
        digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
        object.__setattr__(self, "provider_id", digest)


def from_contract(provider: Provider, scope: str) -> ProviderConfig:
    """A route's own provider; scope is the route's namespace."""
    return ProviderConfig(
        issuer=provider.issuer,
        jwks_uri=provider.jwks.uri,
        jwks_inline=provider.jwks.inline,
        ca_bundle=provider.jwks.ca_bundle,
        audiences=provider.audiences,
        authorized_parties=provider.authorized_parties,
        algorithms=provider.algorithms,
        scope=scope,
    )


class Providers:
    """The key sources in use, by provider id."""

    def __init__(self, ttl_seconds: float) -> None:
        self._ttl_seconds = ttl_seconds
        self._sources: dict[str, KeySource] = {}

    def retain(self, provider_ids: Collection[str]) -> None:
        """Forget the keys of providers that no route names any more."""
        self._sources = {each: source for each, source in self._sources.items() if each in provider_ids}

    async def verify(self, token: UnverifiedToken, candidates: Sequence[ProviderConfig]) -> ProviderConfig:
        """The provider that signed the token; its claims other than iss are not looked at here.

        Raises Refused: TOKEN_ISSUER, TOKEN_ALGORITHM, TOKEN_TYPE, TOKEN_KEY_UNKNOWN,
        TOKEN_SIGNATURE, KEYS_UNAVAILABLE.
        """
        _check_kind(token)
        provider = _choose(token, candidates)
        algorithm, kid = token.header.get("alg"), token.header.get("kid")
        if not isinstance(algorithm, str) or algorithm not in provider.algorithms:
            found = str(algorithm)[:20]
            raise Refused(Reason.TOKEN_ALGORITHM, f"expected {' or '.join(provider.algorithms)}, found {found!r}")
        if kid is not None and not isinstance(kid, str):
            raise Refused(Reason.TOKEN_MALFORMED, "kid is not a text")
        key = await self._source(provider).key(kid, algorithm)
        if not is_signed_by(key, token.signing_input, token.signature):
            raise Refused(Reason.TOKEN_SIGNATURE, f"by the key of kid {str(kid)[:100]!r}")
        return provider

    async def close(self) -> None:
        """Forget all keys."""
        self._sources.clear()

    def _source(self, provider: ProviderConfig) -> KeySource:
        source = self._sources.get(provider.provider_id)
        if source is None:
            if provider.jwks_inline is not None:
                source = InlineKeys(provider.jwks_inline)
            elif provider.jwks_uri is not None:
                source = FetchedKeys(provider.jwks_uri, provider.ca_bundle, self._ttl_seconds)
            else:
                raise Refused(Reason.KEYS_UNAVAILABLE, f"no jwks is configured for {provider.issuer}")
            self._sources[provider.provider_id] = source
        return source


def _choose(token: UnverifiedToken, candidates: Sequence[ProviderConfig]) -> ProviderConfig:
    issuer = token.payload.get("iss")
    for provider in candidates:
        if provider.issuer is None or provider.issuer == issuer:
            return provider
    expected = " or ".join(str(provider.issuer) for provider in candidates) or "no provider is configured"
    raise Refused(Reason.TOKEN_ISSUER, f"expected {expected[:400]}, found {str(issuer)[:200]!r}")


def _check_kind(token: UnverifiedToken) -> None:
    header, payload = token.header, token.payload
    for name in ("crit", "b64", "zip"):
        if name in header:
            raise Refused(Reason.TOKEN_TYPE, f"header member {name} is not understood")
    type_ = header.get("typ")
    if type_ is not None and (not isinstance(type_, str) or type_.lower() not in ACCESS_TOKEN_TYPES):
        raise Refused(Reason.TOKEN_TYPE, f"expected header typ at+jwt or JWT, found {str(type_)[:40]!r}")
    payload_type = payload.get("typ")
    if isinstance(payload_type, str) and payload_type.lower() in FOREIGN_PAYLOAD_TYPES:
        raise Refused(Reason.TOKEN_TYPE, f"payload typ is {payload_type!r}")
    for name in FOREIGN_MEMBERS:
        if name in payload:
            raise Refused(Reason.TOKEN_TYPE, f"payload member {name}: not an access token")
