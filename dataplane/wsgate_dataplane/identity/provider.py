"""Identity providers: which one vouches for a token, and whether its signature is theirs."""

import hashlib
import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, cast

from wsgate_contract.route import Algorithm, Provider
from wsgate_dataplane.admission.wording import expected, shown
from wsgate_dataplane.identity.cache import TokenCache, proof_of
from wsgate_dataplane.identity.compact import UnverifiedToken
from wsgate_dataplane.identity.jwks import (
    Clock,
    FetchedKeys,
    InlineKeys,
    KeySource,
    Location,
    Reach,
    SessionFactory,
    make_session,
)
from wsgate_dataplane.identity.keys import KID_LENGTH_MAX
from wsgate_dataplane.outcomes.refusal import Refused
from wsgate_dataplane.outcomes.table import Reason

ACCESS_TOKEN_TYPES = frozenset({"jwt", "at+jwt", "application/jwt", "application/at+jwt"})
"""Accepted header typ in lower case (RFC 9068 2.1; Keycloak and others send JWT)."""
OTHER_PAYLOAD_TYPES = frozenset({"id", "refresh", "offline", "logout"})
"""Keycloak's payload typ of what is no access token, in lower case."""
OTHER_TOKENS_MEMBERS = ("events", "nonce", "at_hash", "cnf")
"""Members of logout tokens, ID tokens and bound tokens, whose proof of possession nobody checks here."""
USUAL_HEADER_MEMBERS = frozenset({"alg", "kid", "typ"})
UNSUPPORTED_HEADER_MEMBERS = ("crit", "b64", "zip")
"""RFC 7515 4.1.11: what must be understood and is not."""
IGNORED_HEADER_MEMBERS: Mapping[str, type] = {
    "jku": str, "x5u": str, "x5t": str, "x5t#S256": str, "cty": str, "jwk": dict, "x5c": list,
}  # fmt: skip
"""Registered members (RFC 7515 4.1) with their types; a key or URL in a token is never used."""


@dataclass(frozen=True)
class ProviderConfig:
    """One provider as one scope sees it."""

    issuer: str | None
    """Required iss; None: not checked, which only the environment can say."""
    jwks_uri: str | None
    jwks_inline: str | None
    """Neither of the two: discovery at the issuer."""
    ca_bundle: str | None
    audiences: tuple[str, ...]
    """Empty: not checked, which only the environment can say; "*": any."""
    authorized_parties: tuple[str, ...]
    algorithms: tuple[str, ...]
    scope: str
    """Namespace of the route, or root."""
    is_restricted: bool = False
    """Whether its keys are fetched only from where a Restricted route of the scope may lead."""

    @cached_property
    def provider_id(self) -> str:
        """Everything learned about a token is kept by it: one tenant's verdict says nothing to another."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def from_contract(provider: Provider, scope: str, *, is_restricted: bool) -> ProviderConfig:
    """The provider of a route in the namespace scope."""
    return ProviderConfig(
        issuer=provider.issuer,
        jwks_uri=provider.jwks.uri,
        jwks_inline=provider.jwks.inline,
        ca_bundle=provider.jwks.ca_bundle,
        audiences=provider.audiences,
        authorized_parties=provider.authorized_parties,
        algorithms=provider.algorithms,
        scope=scope,
        is_restricted=is_restricted,
    )


def _anywhere(namespace: str | None) -> Reach | None:
    return None


class Providers:
    """The key sources of all providers in use; they outlive reloads of the routes.

    reach_of says where keys are fetched for a Restricted route of a namespace, or for any other route (None).
    cache remembers verified signatures; None: each is verified anew.
    """

    def __init__(
        self,
        ttl_seconds: float,
        clock: Clock = time.monotonic,
        session_factory: SessionFactory = make_session,
        reach_of: Callable[[str | None], Reach | None] = _anywhere,
        cache: TokenCache | None = None,
    ) -> None:
        self._ttl_seconds = ttl_seconds
        self._clock = clock
        self._session_factory = session_factory
        self._reach_of = reach_of
        self._cache = cache
        self._sources: dict[str, KeySource] = {}

    async def verify(self, token: UnverifiedToken, candidates: Sequence[ProviderConfig]) -> ProviderConfig:
        """The first provider of the token's iss whose key signed it.

        Claims beyond iss and typ are not checked here. Raises Refused of the first provider that was
        asked: TOKEN_MALFORMED, TOKEN_TYPE, TOKEN_ISSUER, TOKEN_ALGORITHM, TOKEN_KEY_UNKNOWN,
        KEYS_UNAVAILABLE, TOKEN_SIGNATURE.
        """
        kid, algorithm = read_header(token)
        check_is_access_token(token)
        refusal: Refused | None = None
        for provider in matching_providers(token.payload.get("iss"), candidates):
            try:
                await self._verify_by(provider, token, kid, algorithm)
            except Refused as refused:
                refusal = refusal or refused
            else:
                return provider
        if refusal is not None:
            raise refusal
        issuers = [provider.issuer for provider in candidates]
        wanted = f"iss, one of {issuers}" if issuers else "a provider: set JWKS_URL or auth.providers"
        raise Refused(Reason.TOKEN_ISSUER, expected(wanted, token.payload.get("iss")))

    def retain(self, provider_ids: Collection[str]) -> None:
        """Forget the keys of all other providers; a fetch under way still answers those who wait for it."""
        self._sources = {key: source for key, source in self._sources.items() if key in provider_ids}

    async def close(self) -> None:
        """Forget all keys; fetches belong to the handshakes that wait for them and end with them."""
        self._sources = {}

    async def _verify_by(
        self, provider: ProviderConfig, token: UnverifiedToken, kid: str | None, alg: str
    ) -> None:
        if alg not in provider.algorithms:
            raise Refused(Reason.TOKEN_ALGORITHM, expected(f"alg, one of {list(provider.algorithms)}", alg))
        algorithm = cast(Algorithm, alg)
        source, cache = self._source(provider), self._cache
        key = source.at_hand(kid, algorithm) or await source.get(kid, algorithm)
        proof = proof_of(provider.provider_id, key.thumbprint, token)
        if cache is not None and (
            cache.is_at_hand(proof) or (cache.is_shared and await cache.is_elsewhere(proof))
        ):
            return
        if not key.verify(algorithm, token.signing_input, token.signature):
            raise Refused(Reason.TOKEN_SIGNATURE, f"expected a signature by kid {shown(key.kid)}")
        if cache is not None:
            cache.keep(proof, token.payload.get("exp"))

    def _source(self, provider: ProviderConfig) -> KeySource:
        source = self._sources.get(provider.provider_id)
        if source is None:
            source = self._sources[provider.provider_id] = self._make_source(provider)
        return source

    def _make_source(self, provider: ProviderConfig) -> KeySource:
        if provider.jwks_inline is not None:
            return InlineKeys(provider.jwks_inline)
        reach = self._reach_of(provider.scope if provider.is_restricted else None)
        location = Location(provider.jwks_uri, provider.issuer, provider.ca_bundle, reach)
        return FetchedKeys(location, self._ttl_seconds, self._clock, self._session_factory)


def matching_providers(issuer: object, candidates: Sequence[ProviderConfig]) -> list[ProviderConfig]:
    """Those that name the issuer byte for byte, before those that do not ask."""
    exact = [each for each in candidates if each.issuer is not None and each.issuer == issuer]
    return exact + [each for each in candidates if each.issuer is None]


def read_header(token: UnverifiedToken) -> tuple[str | None, str]:
    """kid and alg; raises Refused: TOKEN_MALFORMED, TOKEN_ALGORITHM, TOKEN_TYPE."""
    header = token.header
    if not header.keys() <= USUAL_HEADER_MEMBERS:
        _check_unusual_members(header)
    algorithm, kid = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str):
        raise Refused(Reason.TOKEN_ALGORITHM, expected("alg in the header", algorithm))
    if "kid" in header and (not isinstance(kid, str) or len(kid) > KID_LENGTH_MAX):
        wanted = f"kid as a string of at most {KID_LENGTH_MAX} characters"
        raise Refused(Reason.TOKEN_MALFORMED, expected(wanted, kid))
    typ = header.get("typ", "JWT")
    if not isinstance(typ, str) or typ.lower() not in ACCESS_TOKEN_TYPES:
        raise Refused(Reason.TOKEN_TYPE, expected("header typ JWT or at+jwt", typ))
    return kid, algorithm


def _check_unusual_members(header: Mapping[str, Any]) -> None:
    for name in UNSUPPORTED_HEADER_MEMBERS:
        if name in header:
            raise Refused(Reason.TOKEN_TYPE, expected(f"no header {name}", header[name]))
    for name, kind in IGNORED_HEADER_MEMBERS.items():
        if name in header and not isinstance(header[name], kind):
            raise Refused(Reason.TOKEN_MALFORMED, expected(f"header {name} as {kind.__name__}", header[name]))


def check_is_access_token(token: UnverifiedToken) -> None:
    """Raises Refused(TOKEN_TYPE) for tokens that the issuer made for another purpose (RFC 8725 3.11)."""
    kind = token.payload.get("typ", "")
    if not isinstance(kind, str) or kind.lower() in OTHER_PAYLOAD_TYPES:
        raise Refused(Reason.TOKEN_TYPE, expected("an access token's typ", kind))
    for name in OTHER_TOKENS_MEMBERS:
        if name in token.payload:
            raise Refused(Reason.TOKEN_TYPE, f"expected no member {name}, found one")
