"""Only an access token that its provider signed passes, in one spelling, and never more than joserfc lets pass."""

import asyncio
import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives import hashes, hmac, serialization
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import KeySet

from tests.support.jwks import Fault, JWKSServer
from tests.support.loops import eventually, on_both_loops
from tests.support.tokens import AUDIENCE, ISSUER, Issuer, base64url, compact, immediate
from wsgate_contract.route import JWKS, Provider
from wsgate_dataplane.admission.checks import check_token
from wsgate_dataplane.admission.claims import Claims
from wsgate_dataplane.identity.compact import parse_compact
from wsgate_dataplane.identity.provider import ProviderConfig, Providers, from_contract
from wsgate_dataplane.outcomes.refusal import Refused
from wsgate_dataplane.outcomes.table import Reason

NOW = 1_800_000_000
LEEWAY = 30
IDP = Issuer(now=lambda: NOW)
EC = Issuer(algorithm="ES256", kid="ec", now=lambda: NOW)
ED = Issuer(algorithm="EdDSA", kid="ed", now=lambda: NOW)
PS = Issuer(algorithm="PS256", kid="ps", now=lambda: NOW)
FORGER = Issuer(name="https://evil.example", now=lambda: NOW)
"""Signs with a key of its own under the name and kid of the good one."""

DOCUMENT = IDP.jwks(EC.jwk(), ED.jwk(), PS.jwk())
CONFIG = ProviderConfig(
    issuer=ISSUER,
    jwks_uri=None,
    jwks_inline=json.dumps(DOCUMENT),
    ca_bundle=None,
    audiences=(AUDIENCE,),
    authorized_parties=(),
    algorithms=("RS256", "PS256", "ES256", "EdDSA"),
    scope="root",
)


def verdict(raw: str, *candidates: ProviderConfig, providers: Providers | None = None) -> Reason | None:
    """Of the whole chain from text to claims: None admits."""
    try:
        token = parse_compact(raw)
        provider = immediate((providers or Providers(600)).verify(token, candidates or (CONFIG,)))
        check_token(Claims.from_payload(token.payload), provider, NOW, leeway_seconds=LEEWAY)
    except Refused as refused:
        assert refused.detail and not any(part in refused.detail for part in raw.split(".") if len(part) > 20)
        return refused.reason
    return None


def joserfc_admits(raw: str) -> bool:
    """The oracle: another implementation with its strict registries."""
    rules = jwt.JWTClaimsRegistry(
        now=NOW,
        leeway=LEEWAY,
        iss={"essential": True, "value": ISSUER},
        aud={"essential": True, "value": AUDIENCE},
        exp={"essential": True},
    )

    def admits(key: dict[str, Any]) -> bool:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SecurityWarning)  # EdDSA is called Ed25519 since RFC 9864
                keys = KeySet.import_key_set(cast(Any, {"keys": [key]}))
                token = jwt.decode(raw, keys, algorithms=list(CONFIG.algorithms))
            rules.validate(token.claims)
        except (JoseError, ValueError, TypeError, LookupError, RecursionError):
            return False
        return True

    # One by one: of several it would pick a random one for a token without kid.
    return any(admits(key) for key in DOCUMENT["keys"])


@pytest.mark.parametrize("issuer", [IDP, EC, ED, PS], ids=lambda issuer: issuer.algorithm)
def test_a_good_token_passes_here_and_at_the_oracle(issuer: Issuer) -> None:
    assert verdict(issuer.token()) is None
    assert joserfc_admits(issuer.token())


def unsigned(header: dict[str, Any], **claims: Any) -> str:
    return IDP.token(header=header, **claims).rpartition(".")[0] + "."


def hmac_signed(secret: bytes, **header: Any) -> str:
    signing_input = IDP.token(header={"alg": "HS256", **header}).rpartition(".")[0]
    mac = hmac.HMAC(secret, hashes.SHA256())
    mac.update(signing_input.encode())
    return f"{signing_input}.{base64url(mac.finalize())}"


def public_key(encoding: serialization.Encoding) -> bytes:
    return IDP._key.public_key().public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)


def raw_payload(text: str) -> str:
    return IDP.sign(IDP.header(), text.encode())


def with_signature(signature: Callable[[str], str]) -> str:
    head, _, last = IDP.token().rpartition(".")
    return f"{head}.{signature(last)}"


GOOD_CLAIMS = f'"iss":"{ISSUER}","aud":"{AUDIENCE}","sub":"alice"'
PEM, DER = serialization.Encoding.PEM, serialization.Encoding.DER

HOSTILE: dict[str, tuple[str, Reason]] = {
    # Algorithm and key confusion.
    "alg none": (unsigned({"alg": "none"}), Reason.TOKEN_ALGORITHM),
    "alg None": (unsigned({"alg": "None"}), Reason.TOKEN_ALGORITHM),
    "alg missing": (unsigned({"alg": ...}), Reason.TOKEN_ALGORITHM),
    "alg a list": (IDP.token(header={"alg": ["RS256"]}), Reason.TOKEN_ALGORITHM),
    "alg in lower case": (IDP.token(header={"alg": "rs256"}), Reason.TOKEN_ALGORITHM),
    "alg not enabled": (Issuer(algorithm="RS384", now=lambda: NOW).token(), Reason.TOKEN_ALGORITHM),
    "alg of another key type": (IDP.token(header={"alg": "ES256"}), Reason.TOKEN_KEY_UNKNOWN),
    "alg of the same key type": (IDP.token(header={"alg": "PS256"}), Reason.TOKEN_KEY_UNKNOWN),
    "HMAC with the PEM as secret": (hmac_signed(public_key(PEM)), Reason.TOKEN_ALGORITHM),
    "HMAC with the DER as secret (CVE-2026-85394)": (hmac_signed(public_key(DER)), Reason.TOKEN_ALGORITHM),
    "HMAC with an empty secret (CVE-2026-120459)": (hmac_signed(b""), Reason.TOKEN_ALGORITHM),
    "HMAC without kid": (hmac_signed(b"", kid=...), Reason.TOKEN_ALGORITHM),
    "key in the header": (FORGER.token(iss=ISSUER, header={"jwk": FORGER.jwk()}), Reason.TOKEN_SIGNATURE),
    "key URL in the header": (FORGER.token(iss=ISSUER, header={"jku": "http://evil"}), Reason.TOKEN_SIGNATURE),
    "key in the header, not an object": (IDP.token(header={"jwk": "RS256"}), Reason.TOKEN_MALFORMED),
    "kid unknown": (IDP.token(header={"kid": "other"}), Reason.TOKEN_KEY_UNKNOWN),
    "kid of another key": (IDP.token(header={"kid": "ec"}), Reason.TOKEN_KEY_UNKNOWN),
    "kid a number": (IDP.token(header={"kid": 1}), Reason.TOKEN_MALFORMED),
    "kid null": (IDP.token(header={"kid": None}), Reason.TOKEN_MALFORMED),
    "kid a path": (IDP.token(header={"kid": "../../dev/null"}), Reason.TOKEN_KEY_UNKNOWN),
    "crit": (IDP.token(header={"crit": ["exp"]}), Reason.TOKEN_TYPE),
    "crit empty": (IDP.token(header={"crit": []}), Reason.TOKEN_TYPE),
    "b64": (IDP.token(header={"b64": False, "crit": ["b64"]}), Reason.TOKEN_TYPE),
    "b64 without crit": (IDP.token(header={"b64": True}), Reason.TOKEN_TYPE),
    # Tokens for another purpose.
    "logout token": (IDP.token(header={"typ": "logout+jwt"}), Reason.TOKEN_TYPE),
    "logout token by its events": (IDP.token(events={}), Reason.TOKEN_TYPE),
    "security event token": (IDP.token(header={"typ": "secevent+jwt"}), Reason.TOKEN_TYPE),
    "DPoP proof": (IDP.token(header={"typ": "dpop+jwt"}), Reason.TOKEN_TYPE),
    "typ a number": (IDP.token(header={"typ": 1}), Reason.TOKEN_TYPE),
    "ID token by nonce": (IDP.token(nonce="n"), Reason.TOKEN_TYPE),
    "ID token by at_hash": (IDP.token(at_hash="h"), Reason.TOKEN_TYPE),
    "bound token": (IDP.token(cnf={"jkt": "x"}), Reason.TOKEN_TYPE),
    "ID token by typ": (IDP.token(typ="ID"), Reason.TOKEN_TYPE),
    "refresh token": (IDP.token(typ="Refresh"), Reason.TOKEN_TYPE),
    "offline token": (IDP.token(typ="Offline"), Reason.TOKEN_TYPE),
    "logout token by typ": (IDP.token(typ="Logout"), Reason.TOKEN_TYPE),
    "payload typ a number": (IDP.token(typ=1), Reason.TOKEN_TYPE),
    # Claims that python-jose lets pass.
    "iss missing": (IDP.token(iss=...), Reason.TOKEN_ISSUER),
    "iss other": (IDP.token(iss=ISSUER + "/"), Reason.TOKEN_ISSUER),
    "iss a list": (IDP.token(iss=[ISSUER]), Reason.TOKEN_ISSUER),
    "aud missing": (IDP.token(aud=...), Reason.TOKEN_AUDIENCE),
    "aud other": (IDP.token(aud=["account"]), Reason.TOKEN_AUDIENCE),
    "aud an object": (IDP.token(aud={AUDIENCE: 1}), Reason.TOKEN_MALFORMED),
    "exp missing": (IDP.token(exp=...), Reason.TOKEN_MALFORMED),
    "exp over": (IDP.token(exp=NOW - LEEWAY), Reason.TOKEN_EXPIRED),
    "exp a string": (IDP.token(exp=str(NOW + 300)), Reason.TOKEN_MALFORMED),
    "exp a float": (IDP.token(exp=NOW + 300.5), Reason.TOKEN_MALFORMED),
    "exp 1e300": (IDP.token(exp=1e300), Reason.TOKEN_MALFORMED),
    "exp true": (IDP.token(exp=True), Reason.TOKEN_MALFORMED),
    "exp null": (IDP.token(exp=None), Reason.TOKEN_MALFORMED),
    "exp above 2^53": (IDP.token(exp=2**53 + 1), Reason.TOKEN_MALFORMED),
    "exp of 4,000 digits": (raw_payload(f'{{{GOOD_CLAIMS},"exp":{"9" * 4000}}}'), Reason.TOKEN_MALFORMED),
    "exp infinite": (raw_payload(f'{{{GOOD_CLAIMS},"exp":Infinity}}'), Reason.TOKEN_MALFORMED),
    "exp NaN": (raw_payload(f'{{{GOOD_CLAIMS},"exp":NaN}}'), Reason.TOKEN_MALFORMED),
    "exp twice": (raw_payload(f'{{{GOOD_CLAIMS},"exp":1,"exp":{NOW + 9}}}'), Reason.TOKEN_MALFORMED),
    "nbf in the future": (IDP.token(nbf=NOW + LEEWAY + 1), Reason.TOKEN_NOT_YET_VALID),
    "nbf a string": (IDP.token(nbf="0"), Reason.TOKEN_MALFORMED),
    "iat in the future": (IDP.token(iat=NOW + LEEWAY + 1), Reason.TOKEN_NOT_YET_VALID),
    "iat a string": (IDP.token(iat="0"), Reason.TOKEN_MALFORMED),
    "sub a number": (IDP.token(sub=7), Reason.TOKEN_MALFORMED),
    "jti a list": (IDP.token(jti=["a"]), Reason.TOKEN_MALFORMED),
    # What makes python-jose raise.
    "deep payload": (raw_payload('{"a":' * 1500 + "1" + "}" * 1500), Reason.TOKEN_MALFORMED),
    "lone surrogate": (raw_payload(f'{{{GOOD_CLAIMS},"exp":{NOW + 9},"x":"\\ud800"}}'), Reason.TOKEN_MALFORMED),
    "payload a list": (raw_payload("[]"), Reason.TOKEN_MALFORMED),
    "payload empty": (raw_payload(""), Reason.TOKEN_MALFORMED),
    # Signatures.
    "signed by another key": (FORGER.token(iss=ISSUER), Reason.TOKEN_SIGNATURE),
    "signature empty": (with_signature(lambda _: ""), Reason.TOKEN_SIGNATURE),
    "signature cut": (with_signature(lambda last: last[:-2]), Reason.TOKEN_SIGNATURE),
    "signature padded": (with_signature(lambda last: last + "=="), Reason.TOKEN_MALFORMED),
    "junk in the signature": (with_signature(lambda last: last[:9] + "!~" + last[9:]), Reason.TOKEN_MALFORMED),
    "line break in the signature": (with_signature(lambda last: last + "\n"), Reason.TOKEN_MALFORMED),
    "non-ASCII in the signature": (with_signature(lambda last: last + "é"), Reason.TOKEN_MALFORMED),
    "JWE": ("e30.e30.e30.e30.e30", Reason.TOKEN_MALFORMED),
}  # fmt: skip


@pytest.mark.parametrize(("raw", "reason"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_token_is_refused_for_its_fault(raw: str, reason: Reason) -> None:
    assert verdict(raw) is reason


HEADERS: st.SearchStrategy[dict[str, Any]] = st.dictionaries(
    st.sampled_from(["alg", "kid", "typ", "crit", "b64", "zip", "jwk", "x5c", "cty"]),
    st.sampled_from(["RS256", "ES256", "PS256", "none", "HS256", "key-1", "ec", "JWT", ["exp"], None, 1, {}, ...]),
    max_size=2,
)
CLAIMS: st.SearchStrategy[dict[str, Any]] = st.dictionaries(
    st.sampled_from(["iss", "aud", "exp", "nbf", "iat", "sub", "jti", "typ", "nonce", "events"]),
    st.sampled_from(
        [ISSUER, AUDIENCE, [AUDIENCE], NOW, NOW + 31, NOW - 31, 2**60, 1.5, "9", True, None, [], {}, ...]
    ),
    max_size=2,
)


@given(st.sampled_from([IDP, EC, ED, PS, FORGER]), HEADERS, CLAIMS, st.sampled_from(["", "=", "A", "!", "."]))
def test_no_generated_token_is_admitted_that_joserfc_refuses(
    issuer: Issuer, header: dict[str, Any], claims: dict[str, Any], tail: str
) -> None:
    raw = issuer.token(header=header, **{"iss": ISSUER, **claims}) + tail
    if verdict(raw) is None:
        assert joserfc_admits(raw)


@given(st.sampled_from([IDP, EC, ED, PS]), st.integers(0, 700), st.characters(codec="utf-8"))
def test_no_single_changed_character_leaves_a_token_valid(issuer: Issuer, place: int, character: str) -> None:
    good = issuer.token()
    at = place % len(good)
    assert good[at] == character or verdict(good[:at] + character + good[at + 1 :]) is not None


@given(st.binary(max_size=80), st.binary(max_size=80), st.binary(max_size=300))
def test_any_parts_end_in_a_refusal_and_never_in_an_error(header: bytes, payload: bytes, signature: bytes) -> None:
    assert verdict(".".join(map(compact, (header, payload, signature)))) is Reason.TOKEN_MALFORMED
    assert verdict(f"{compact(IDP.header())}.{compact(payload)}.{base64url(signature)}") is not None
    assert verdict(f"{IDP.token().rpartition('.')[0]}.{base64url(signature)}") is Reason.TOKEN_SIGNATURE


def test_defect_1_a_forged_token_with_a_known_sub_and_jti_is_refused() -> None:
    # The original looked its cache up by sub and jti before it had verified anything.
    providers = Providers(600)
    assert verdict(IDP.token(sub="alice", jti="known"), providers=providers) is None
    forged = FORGER.token(iss=ISSUER, sub="alice", jti="known")
    assert verdict(forged, providers=providers) is Reason.TOKEN_SIGNATURE
    assert verdict(unsigned({"alg": "none"}, jti="known"), providers=providers) is Reason.TOKEN_ALGORITHM
    assert verdict(IDP.token(sub="alice", jti="known"), providers=providers) is None


def test_a_token_verified_for_one_tenant_says_nothing_on_another_tenants_route() -> None:
    blue = replace(CONFIG, scope="blue")
    red = replace(CONFIG, scope="red", jwks_inline=json.dumps(FORGER.jwks()))
    providers, token = Providers(600), IDP.token()
    assert blue.provider_id != red.provider_id
    assert verdict(token, blue, providers=providers) is None
    assert verdict(token, red, providers=providers) is Reason.TOKEN_SIGNATURE


@pytest.mark.parametrize("typ", [..., "JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt"])
def test_an_access_tokens_header_typ_may_be_missing_or_plain(typ: Any) -> None:
    assert verdict(IDP.token(header={"typ": typ}, typ="Bearer")) is None


def test_a_token_without_kid_needs_a_set_in_which_one_key_fits() -> None:
    bare = IDP.token(header={"kid": ...})
    assert verdict(bare) is None
    two = json.dumps(IDP.jwks(Issuer(kid="second").jwk()))
    assert verdict(bare, replace(CONFIG, jwks_inline=two)) is Reason.TOKEN_KEY_UNKNOWN


def test_the_provider_is_chosen_by_issuer_before_one_that_does_not_ask() -> None:
    any_issuer = replace(CONFIG, issuer=None, jwks_inline=json.dumps(FORGER.jwks()))
    token = parse_compact(IDP.token())
    assert immediate(Providers(600).verify(token, (any_issuer, CONFIG))) is CONFIG
    assert verdict(FORGER.token(iss=..., aud=AUDIENCE), any_issuer) is None
    assert verdict(IDP.token(), replace(CONFIG, issuer="https://other")) is Reason.TOKEN_ISSUER


def test_without_any_provider_the_detail_names_both_ways_out() -> None:
    with pytest.raises(Refused, match=r"set JWKS_URL or auth\.providers"):
        immediate(Providers(600).verify(parse_compact(IDP.token()), ()))


def test_of_two_providers_with_one_issuer_the_one_whose_key_signed_counts() -> None:
    moved = replace(CONFIG, jwks_inline=json.dumps(FORGER.jwks()))
    assert verdict(IDP.token(), moved, CONFIG) is None
    assert verdict(Issuer(kid="x").token(), moved, CONFIG) is Reason.TOKEN_KEY_UNKNOWN


def test_the_provider_id_covers_every_field() -> None:
    changes: list[dict[str, Any]] = [
        {"issuer": None}, {"jwks_uri": "https://idp/certs"}, {"jwks_inline": None}, {"ca_bundle": "pem"},
        {"audiences": ()}, {"authorized_parties": ("web",)}, {"algorithms": ("RS256",)}, {"scope": "blue"},
        {"is_restricted": True},
    ]  # fmt: skip
    ids = {replace(CONFIG, **change).provider_id for change in changes}
    assert len(ids | {CONFIG.provider_id}) == len(changes) + 1
    assert replace(CONFIG).provider_id == CONFIG.provider_id


def test_a_contracts_provider_keeps_all_its_rules() -> None:
    contract = Provider(
        issuer=ISSUER,
        jwks=JWKS(uri="https://idp/certs", ca_bundle="pem"),
        audiences=("a", "b"),
        authorized_parties=("web",),
        algorithms=("ES256", "EdDSA"),
    )
    assert from_contract(contract, "blue", is_restricted=True) == ProviderConfig(
        issuer=ISSUER,
        jwks_uri="https://idp/certs",
        jwks_inline=None,
        ca_bundle="pem",
        audiences=("a", "b"),
        authorized_parties=("web",),
        algorithms=("ES256", "EdDSA"),
        scope="blue",
        is_restricted=True,
    )


@on_both_loops
async def test_only_a_restricted_providers_keys_are_fetched_within_its_scopes_reach() -> None:
    class Nowhere:
        async def resolve(self, host: str) -> Sequence[str]:
            raise Refused(Reason.UPSTREAM_NOT_PERMITTED, f"{host} is not permitted")

    asked: list[str | None] = []

    def reach_of(namespace: str | None) -> Nowhere | None:
        asked.append(namespace)
        return None if namespace is None else Nowhere()

    async with JWKSServer(IDP.jwks()) as server:
        root = replace(CONFIG, jwks_inline=None, jwks_uri=server.url)
        tenants = replace(root, scope="blue", is_restricted=True)
        inline = replace(CONFIG, scope="blue", is_restricted=True)
        providers, token = Providers(600, reach_of=reach_of), parse_compact(IDP.token())
        assert await providers.verify(token, (root,)) is root
        with pytest.raises(Refused, match=r"127\.0\.0\.1 is not permitted") as refused:
            await providers.verify(token, (tenants,))
        assert refused.value.reason is Reason.KEYS_UNAVAILABLE
        assert await providers.verify(token, (inline,)) is inline
        assert asked == [None, "blue"], "inline keys are fetched from nowhere"


@on_both_loops
async def test_keys_outlive_a_reload_for_as_long_as_their_provider_is_in_use() -> None:
    async with JWKSServer(IDP.jwks()) as server:
        config = replace(CONFIG, jwks_inline=None, jwks_uri=server.url)
        providers, token = Providers(600), parse_compact(IDP.token())
        for kept in ({config.provider_id}, {config.provider_id}, set[str]()):
            assert await providers.verify(token, (config,)) is config
            assert server.requests == 1
            providers.retain(kept)
        await providers.verify(token, (config,))
        assert server.requests == 2
        await providers.close()


@on_both_loops
async def test_a_provider_that_goes_while_its_keys_are_fetched_still_answers_those_who_wait() -> None:
    async with JWKSServer(IDP.jwks()) as server:
        server.fault = Fault.SLOW
        config = replace(CONFIG, jwks_inline=None, jwks_uri=server.url)
        providers = Providers(600)
        waiting = asyncio.get_running_loop().create_task(providers.verify(parse_compact(IDP.token()), (config,)))
        await eventually(lambda: server.requests)
        providers.retain(set())
        await providers.close()
        server.release.set()
        assert await waiting is config
