"""The development key is made once, for its owner only, and other libraries accept its tokens."""

import functools
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joserfc.errors
import joserfc.jwk
import joserfc.jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from wsgate_cli.devkey import AUDIENCE, ISSUER, DevelopmentKey, default_key_path, provider
from wsgate_contract.route import Provider

NOW = 1_800_000_000


@functools.cache
def key() -> DevelopmentKey:
    """One for the whole file: making a key takes a tenth of a second."""
    return DevelopmentKey.create()


def claims_of(token: str, jwks: dict[str, Any]) -> dict[str, Any]:
    """Verify with an independent library."""
    keys = joserfc.jwk.KeySet.import_key_set(json.loads(json.dumps(jwks)))
    return dict(joserfc.jwt.decode(token, keys, algorithms=["RS256"]).claims)


def pem_of(private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, password: bytes | None = None) -> bytes:
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def test_the_key_is_made_once_and_then_kept(tmp_path: Path) -> None:
    path = tmp_path / "state" / "wsgate" / "key.pem"
    made, is_new = DevelopmentKey.load_or_create(path)
    again, is_new_again = DevelopmentKey.load_or_create(path)
    assert (is_new, is_new_again) == (True, False)
    assert made.jwks() == again.jwks()


def test_only_its_owner_can_read_the_key_whatever_the_umask_is(tmp_path: Path) -> None:
    path = tmp_path / "state" / "key.pem"
    before = os.umask(0)
    try:
        DevelopmentKey.load_or_create(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_two_made_keys_differ_in_modulus_and_kid() -> None:
    (mine,), (other,) = key().jwks()["keys"], DevelopmentKey.create().jwks()["keys"]
    assert mine["n"] != other["n"]
    assert mine["kid"] != other["kid"]


def test_the_public_set_holds_no_private_part() -> None:
    (public,) = key().jwks()["keys"]
    assert set(public) == {"kty", "use", "alg", "kid", "n", "e"}
    assert (public["kty"], public["alg"], public["use"]) == ("RSA", "RS256", "sig")


def test_an_independent_library_verifies_a_token_against_the_public_set() -> None:
    claims = claims_of(key().token({"sub": "alice", "roles": ["ä"]}, NOW, 60), key().jwks())
    assert claims["sub"] == "alice"
    assert claims["roles"] == ["ä"]
    assert (claims["iss"], claims["aud"], claims["iat"], claims["exp"]) == (ISSUER, AUDIENCE, NOW, NOW + 60)


def test_another_keys_set_does_not_verify_it() -> None:
    forged = DevelopmentKey.create().jwks()
    forged["keys"][0]["kid"] = key().jwks()["keys"][0]["kid"]
    with pytest.raises(joserfc.errors.BadSignatureError):
        claims_of(key().token({}, NOW, 60), forged)


def test_given_claims_win_over_what_is_filled_in_and_each_token_has_its_own_jti() -> None:
    claims = claims_of(key().token({"iss": "other", "exp": 5}, NOW, 60), key().jwks())
    assert (claims["iss"], claims["exp"]) == ("other", 5)
    first, second = (claims_of(key().token({}, NOW, 60), key().jwks())["jti"] for _ in range(2))
    assert first != second


def test_the_provider_block_is_one_that_a_route_accepts() -> None:
    block = Provider.from_document(provider(key()))
    assert block.issuer == ISSUER
    assert block.audiences == (AUDIENCE,)
    assert block.jwks.inline is not None
    assert claims_of(key().token({}, NOW, 60), json.loads(block.jwks.inline))["iss"] == ISSUER


def test_a_larger_key_of_ones_own_can_be_used(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(pem_of(rsa.generate_private_key(public_exponent=65537, key_size=3072)))
    found, is_new = DevelopmentKey.load_or_create(path)
    assert not is_new
    assert claims_of(found.token({"sub": "alice"}, NOW, 60), found.jwks())["sub"] == "alice"


@pytest.mark.parametrize(
    "made",
    [
        lambda: b"",
        lambda: b"no key",
        lambda: pem_of(ec.generate_private_key(ec.SECP256R1())),
        lambda: pem_of(rsa.generate_private_key(public_exponent=65537, key_size=1024)),
        lambda: pem_of(rsa.generate_private_key(public_exponent=65537, key_size=2048), b"password"),
    ],
    ids=["empty", "no PEM", "EC", "short", "encrypted"],
)
def test_a_file_without_a_usable_rsa_key_is_an_error_and_is_kept(
    tmp_path: Path, made: Callable[[], bytes]
) -> None:
    path, content = tmp_path / "key.pem", made()
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"."):
        DevelopmentKey.load_or_create(path)
    assert path.read_bytes() == content


def test_the_default_place_is_below_the_users_state_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_key_path() == tmp_path / "wsgate" / "development-key.pem"
    monkeypatch.setenv("XDG_STATE_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert default_key_path() == tmp_path / "home" / ".local" / "state" / "wsgate" / "development-key.pem"
