"""A proof is that a key made a signature: it spares the cryptography and nothing else."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.dataplane.identity.stores.backend import ScriptedBackend
from tests.support.jwks import JWKSServer
from tests.support.loops import eventually, on_both_loops
from tests.support.tokens import AUDIENCE, ISSUER, Issuer, base64url, immediate
from wsgate_contract.route import Algorithm
from wsgate_dataplane.identity import keys
from wsgate_dataplane.identity.cache import KEPT_SECONDS_MAX, Proof, TokenCache, digest_of, proof_of
from wsgate_dataplane.identity.compact import parse_compact
from wsgate_dataplane.identity.provider import ProviderConfig, Providers
from wsgate_dataplane.identity.stores import shared as stores
from wsgate_dataplane.identity.stores.memory import MemoryStore
from wsgate_dataplane.identity.stores.seal import Seal
from wsgate_dataplane.identity.stores.shared import Finding, SharedStore
from wsgate_dataplane.outcomes.refusal import Refused
from wsgate_dataplane.outcomes.table import Reason
from wsgate_dataplane.telemetry.metrics import Metrics
from wsgate_dataplane.values import changed

NOW = 1_800_000_000
IDP = Issuer(now=lambda: NOW)
EC = Issuer(algorithm="ES256", kid="ec", now=lambda: NOW)
SUCCESSOR = Issuer(name="https://other.example", now=lambda: NOW)
"""Another key under the same kid."""
CONFIG = ProviderConfig(
    issuer=ISSUER,
    jwks_uri=None,
    jwks_inline=json.dumps(IDP.jwks(EC.jwk())),
    ca_bundle=None,
    audiences=(AUDIENCE,),
    authorized_parties=(),
    algorithms=("RS256", "ES256"),
    scope="root",
)
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class Kept:
    """A cache in memory, providers that ask it, and how often a signature was verified."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, shared: SharedStore | None = None) -> None:
        self.now = float(NOW)
        self.metrics = Metrics()
        self.memory = MemoryStore[Proof]()
        self.cache = TokenCache(self.memory, shared, self.metrics, lambda: self.now)
        self.providers = Providers(60, clock=lambda: self.now, cache=self.cache)
        self.verified = 0
        genuine = keys.Key.verify

        def counted(key: keys.Key, algorithm: Algorithm, signing_input: bytes, signature: bytes) -> bool:
            self.verified += 1
            return genuine(key, algorithm, signing_input, signature)

        monkeypatch.setattr(keys.Key, "verify", counted)

    def reason(self, raw: str, *candidates: ProviderConfig) -> Reason | None:
        """None: the signature is good."""
        return immediate(self.ask(raw, candidates))

    async def ask(self, raw: str, candidates: Sequence[ProviderConfig] = ()) -> Reason | None:
        try:
            await self.providers.verify(parse_compact(raw), candidates or (CONFIG,))
        except Refused as refused:
            return refused.reason
        return None

    def found(self, finding: Finding) -> float:
        name = "wsgate_token_cache_lookups_total"
        return self.metrics.registry.get_sample_value(name, {"finding": finding}) or 0


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Kept:
    return Kept(monkeypatch)


def test_a_signature_is_verified_once_and_then_known(kept: Kept) -> None:
    token = IDP.token()
    assert [kept.reason(token) for _ in range(3)] == [None] * 3
    assert kept.verified == 1
    assert (kept.found(Finding.MISS), kept.found(Finding.MEMORY)) == (1, 2)
    assert kept.metrics.registry.get_sample_value("wsgate_token_cache_entries") == 1


def test_defect_1_a_forged_token_with_a_known_sub_and_jti_is_refused(kept: Kept) -> None:
    genuine = IDP.token(sub="alice", jti="known")
    assert kept.reason(genuine) is None
    forger = Issuer(name="https://evil.example", now=lambda: NOW)
    header, payload, signature = genuine.split(".")
    other = IDP.token(sub="alice", jti="known", admin=1).split(".")[1]
    forged = {
        "signed by another key": forger.token(iss=ISSUER, sub="alice", jti="known"),
        "signature of another token": f"{header}.{payload}.{IDP.token(sub='bob').split('.')[2]}",
        "payload of another token": f"{header}.{other}.{signature}",
        "no signature": f"{header}.{payload}.",
    }
    for how, token in forged.items():
        # Twice: a refusal is not remembered either.
        assert [kept.reason(token) for _ in range(2)] == [Reason.TOKEN_SIGNATURE] * 2, how
    assert len(kept.memory) == 1


def test_every_single_bit_of_a_known_token_counts(kept: Kept) -> None:
    token = IDP.token()
    assert kept.reason(token) is None
    head, _, last = token.rpartition(".")
    for position in range(0, len(last) - 1, 20):
        changed = last[:position] + ("A" if last[position] != "A" else "B") + last[position + 1 :]
        assert kept.reason(f"{head}.{changed}") is Reason.TOKEN_SIGNATURE


@pytest.mark.parametrize("spelling", ["{}=", "{}==", "{}\n", " {}", "{}."])
def test_another_spelling_of_a_known_token_is_refused(kept: Kept, spelling: str) -> None:
    token = IDP.token()
    assert kept.reason(token) is None
    assert kept.reason(spelling.format(token)) is Reason.TOKEN_MALFORMED


def test_the_other_good_signature_of_a_text_is_verified_for_itself(kept: Kept) -> None:
    token = EC.token()
    head = token.rpartition(".")[0]
    signature = parse_compact(token).signature
    r, s = signature[:32], int.from_bytes(signature[32:], "big")
    twin = f"{head}.{base64url(r + (P256_ORDER - s).to_bytes(32, 'big'))}"
    assert isinstance(EC._key, ec.EllipticCurvePrivateKey)
    assert [kept.reason(each) for each in (token, twin, token, twin)] == [None] * 4
    assert kept.verified == 2
    assert parse_compact(token).sha256 == parse_compact(twin).sha256


@pytest.mark.parametrize(
    "changes",
    [{"scope": "tenant-a"}, {"audiences": ("other",)}, {"algorithms": ("RS256",)}, {"is_restricted": True}],
)
def test_a_proof_by_one_provider_says_nothing_to_another(kept: Kept, changes: dict[str, object]) -> None:
    token = IDP.token()
    assert kept.reason(token) is None
    assert kept.reason(token, replace(CONFIG, **changes)) is None  # type: ignore[arg-type]  # the fields' own types
    assert kept.verified == 2


def test_a_tenant_that_lists_the_same_issuer_with_a_key_of_its_own_admits_no_known_token(kept: Kept) -> None:
    token = IDP.token()
    assert kept.reason(token) is None
    tenant = replace(CONFIG, scope="tenant-a", jwks_inline=json.dumps(SUCCESSOR.jwks()))
    assert kept.reason(token, tenant) is Reason.TOKEN_SIGNATURE


@on_both_loops
async def test_a_known_token_is_refused_once_its_key_has_left_the_set(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Kept(monkeypatch)
    async with JWKSServer(IDP.jwks(EC.jwk())) as server:
        config = replace(CONFIG, jwks_inline=None, jwks_uri=server.url)
        token = IDP.token(exp=NOW + 3600)
        assert [await kept.ask(token, (config,)) for _ in range(2)] == [None] * 2
        server.document = {"keys": [EC.jwk()]}
        kept.now += 61
        assert await kept.ask(token, (config,)) is Reason.TOKEN_KEY_UNKNOWN


@on_both_loops
async def test_a_known_token_is_refused_once_its_kid_names_another_key(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Kept(monkeypatch)
    async with JWKSServer(IDP.jwks()) as server:
        config = replace(CONFIG, jwks_inline=None, jwks_uri=server.url)
        token = IDP.token(exp=NOW + 3600)
        assert await kept.ask(token, (config,)) is None
        server.document = SUCCESSOR.jwks()
        kept.now += 61
        assert await kept.ask(token, (config,)) is Reason.TOKEN_SIGNATURE


def test_a_proof_goes_with_the_tokens_exp_and_after_a_day_at_the_latest(kept: Kept) -> None:
    short, long = IDP.token(exp=NOW + 10), IDP.token(exp=NOW + 10 * KEPT_SECONDS_MAX)
    for later, verified in [(0, 2), (9, 2), (11, 3), (KEPT_SECONDS_MAX - 1, 4), (KEPT_SECONDS_MAX + 1, 6)]:
        kept.now = NOW + later
        kept.reason(short), kept.reason(long)
        assert kept.verified == verified, later


@pytest.mark.parametrize("exp", [..., None, "1900000000", 1.9e9, True, NOW, NOW - 1, -1, [], 2**50])
def test_an_exp_that_is_no_time_to_come_is_not_kept_and_one_without_end_is_cut(kept: Kept, exp: object) -> None:
    token = IDP.token(exp=exp)
    assert kept.reason(token) is None
    assert len(kept.memory) == (1 if exp == 2**50 else 0)
    kept.now += KEPT_SECONDS_MAX
    kept.verified = 0
    assert kept.reason(token) is None
    assert kept.verified == 1


def test_the_name_of_a_proof_has_all_its_parts() -> None:
    token = parse_compact(IDP.token())
    names = {
        digest_of(proof_of("a" * 64, "b" * 64, token)),
        digest_of(proof_of("b" * 64, "a" * 64, token)),
        digest_of(proof_of("a" * 64, "b" * 64, parse_compact(IDP.token(sub="bob")))),
        digest_of(proof_of("a" * 64, "b" * 64, changed(token, signature=token.signature[:-1]))),
        digest_of(proof_of("a" * 64, "b" * 64, changed(token, sha256=token.sha256[::-1]))),
    }
    assert len(names) == 5 and {len(name) for name in names} == {32}


@asynccontextmanager
async def sharing(monkeypatch: pytest.MonkeyPatch, backend: ScriptedBackend) -> AsyncIterator[Kept]:
    """A pod with a shared store; what a busy machine delays is no fault of it."""
    monkeypatch.setattr(stores, "ANSWER_SECONDS", 5.0)
    metrics = Metrics()
    store = SharedStore(backend, "p_", Seal("k" * 32), metrics, lambda: NOW, lambda: 0.5)
    kept = Kept(monkeypatch, store)
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(each()) for each in kept.cache.tasks]
        await eventually(lambda: metrics.registry.get_sample_value("wsgate_token_cache_store_up") == 1)
        yield kept
        for task in running:
            task.cancel()


@on_both_loops
async def test_what_one_pod_has_verified_another_asks_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    backend, token = ScriptedBackend(), IDP.token()
    async with sharing(monkeypatch, backend) as first:
        assert await first.ask(token) is None
        await eventually(lambda: len(backend.values) == 2, "probe and proof")
    async with sharing(monkeypatch, backend) as second:
        assert [await second.ask(token) for _ in range(2)] == [None] * 2
        assert second.verified == 0
        assert (second.found(Finding.SHARED), second.found(Finding.MEMORY)) == (1, 1)


@on_both_loops
async def test_a_forged_value_in_the_store_is_counted_and_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    backend, token = ScriptedBackend(), IDP.token()
    async with sharing(monkeypatch, backend) as kept:
        assert await kept.ask(token) is None
        await eventually(lambda: len(backend.values) == 2)
    (name,) = backend.values.keys() - {"p_probe"}
    genuine = backend.values[name]
    backend.values[name] = b"valid"
    async with sharing(monkeypatch, backend) as kept:
        assert await kept.ask(token) is None
        assert (kept.found(Finding.REJECTED), kept.verified) == (1, 1)
        await eventually(lambda: backend.values[name] == genuine)
