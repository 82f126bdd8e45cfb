"""A held token gives its hash and its end, and never its text."""

import base64
import io
import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from annotated_types import Le

from tests.support.world import development_key
from wsgate_cli.plugin.flags import FlagError
from wsgate_cli.plugin.held_token import CLOCK_SECONDS_MAX, LEEWAY_SECONDS_MAX, HeldToken
from wsgate_contract.route import Expiry
from wsgate_dataplane.identity.compact import TOKEN_BYTES_MAX, parse_compact

MARGIN = LEEWAY_SECONDS_MAX + CLOCK_SECONDS_MAX


def a_token(**claims: Any) -> str:
    return development_key().token({"sub": "alice", **claims}, int(time.time()), 60)


def unsigned(text: str) -> str:
    segments = ('{"alg":"RS256"}', text, "signature")
    return ".".join(base64.urlsafe_b64encode(each.encode()).rstrip(b"=").decode() for each in segments)


def test_the_hash_is_the_one_that_the_gateway_makes() -> None:
    token = a_token()
    for text in (token, f"{token}\n", f" Bearer {token}\r\n"):
        assert HeldToken.parse(text).sha256 == parse_compact(token).sha256


def test_another_signature_gives_the_same_hash() -> None:
    head, _, _ = a_token().rpartition(".")
    assert HeldToken.parse(f"{head}.AAAA").sha256 == HeldToken.parse(f"{head}.BBBB").sha256


@pytest.mark.parametrize(
    ("exp", "seconds"),
    [
        ("100", 100),
        ("100.2", 101),
        ("1e3", 1000),
        ("true", None),
        ('"100"', None),
        ("null", None),
        ("1e999", None),
    ],
)
def test_the_end_is_exp_in_whole_seconds_where_it_is_a_number(exp: str, seconds: int | None) -> None:
    try:
        found = HeldToken.parse(unsigned(f'{{"exp":{exp}}}')).expires_at
    except FlagError:
        # The gateway's own parser may refuse it altogether.
        found = None
    assert found == seconds


def test_no_pod_admits_it_after_the_safe_end() -> None:
    assert HeldToken("0", 1000).safe_end(900) == 1000 + MARGIN
    assert HeldToken("0", None).safe_end(900) is None


def test_an_expired_token_is_revoked_from_now_since_its_session_may_live_on() -> None:
    assert HeldToken("0", 1000).safe_end(5000.5) == 5001 + MARGIN


def test_the_leeway_is_the_most_that_a_route_can_grant() -> None:
    (bound,) = (each for each in Expiry.model_fields["leeway_seconds"].metadata if isinstance(each, Le))
    assert bound.le == LEEWAY_SECONDS_MAX


def test_a_file_and_standard_input_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = a_token()
    (tmp_path / "token").write_text(token)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(token.encode())))
    assert HeldToken.read(str(tmp_path / "token")) == HeldToken.read("-") == HeldToken.parse(token)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"opaque-secret",
        b"secret.secret",
        b"secret secret secret",
        b"\xff\xfe.secret.x",
        b"s" * TOKEN_BYTES_MAX * 3,
        unsigned("[]").encode(),
        unsigned('{"a":1,"a":2}').encode(),
    ],
    ids=["empty", "opaque", "two parts", "blanks", "not ascii", "too long", "no object", "doubled key"],
)
def test_what_is_no_token_is_refused_without_being_shown(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_bytes(content)
    with pytest.raises(FlagError, match=r"^--token-file: not a token: ") as caught:
        HeldToken.read(str(path))
    assert "secret" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(FlagError, match=r"^--token-file: cannot read it: "):
            HeldToken.read(str(path))


def test_a_token_is_not_in_its_repr() -> None:
    token = a_token(jti=json.dumps("x"))
    assert all(part not in repr(HeldToken.parse(token)) for part in token.split("."))
