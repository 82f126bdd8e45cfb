"""wsgate token prints a token and the block that accepts it, or says in one line why it cannot."""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.test_devkey import claims_of
from wsgate_cli.devkey import DevelopmentKey
from wsgate_cli.devtoken import add_arguments, run
from wsgate_contract.route import Auth


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key that exists already."""
    path = tmp_path_factory.mktemp("state") / "key.pem"
    DevelopmentKey.load_or_create(path)
    return path


def token(key_file: Path, *arguments: str) -> int:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return run(parser.parse_args(["--key-file", str(key_file), *arguments]))


def printed_claims(key_file: Path, text: str) -> dict[str, Any]:
    return claims_of(text.strip(), DevelopmentKey.load_or_create(key_file)[0].jwks())


def test_only_the_token_is_one_line_that_the_key_verifies(
    key_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = int(time.time())
    assert token(key_file, "--only", "token") == 0
    out, err = capsys.readouterr()
    assert (out.count("\n"), err) == (1, "")
    claims = printed_claims(key_file, out)
    assert claims["sub"] == "alice"
    assert before <= claims["iat"] <= time.time()
    assert claims["exp"] - claims["iat"] == 3600


def test_subject_lifetime_and_further_claims_are_taken_over(
    key_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    claims = ["--claim", 'roles=["admin"]', "--claim", "tenant=blue", "--claim", "n=5", "--claim", "url=a=b"]
    assert token(key_file, "--only", "token", "--subject", "bob", "--for", "15m", *claims) == 0
    found = printed_claims(key_file, capsys.readouterr().out)
    assert (found["sub"], found["exp"] - found["iat"]) == ("bob", 900)
    assert (found["roles"], found["tenant"], found["n"], found["url"]) == (["admin"], "blue", 5, "a=b")


def test_only_the_block_is_yaml_that_a_route_accepts_and_that_verifies_the_token(
    key_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert token(key_file, "--only", "provider") == 0
    auth = Auth.from_document(yaml.safe_load(capsys.readouterr().out))
    inline = auth.providers[0].jwks.inline
    assert inline is not None
    assert token(key_file, "--only", "token") == 0
    assert claims_of(capsys.readouterr().out.strip(), json.loads(inline))["iss"] == auth.providers[0].issuer


def test_without_a_choice_both_are_printed_and_the_whole_is_yaml_below_spec(
    key_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert token(key_file) == 0
    first, second = capsys.readouterr().out.split("\n\n")
    comment, text = first.splitlines()
    assert comment == "# A token of subject alice, good for 3600 s:"
    assert printed_claims(key_file, text)["sub"] == "alice"
    Auth.from_document(yaml.safe_load("spec:\n" + second)["spec"]["auth"])


def test_a_new_key_is_told_on_stderr_and_does_not_disturb_the_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "new" / "key.pem"
    assert token(path, "--only", "token") == 0
    out, err = capsys.readouterr()
    assert err == f"made a development key: {path}\n"
    assert printed_claims(path, out)["sub"] == "alice"


@pytest.mark.parametrize("text", ["roles", "=value", ""])
def test_a_claim_without_name_or_value_is_said_in_one_line(
    text: str, key_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert token(key_file, "--claim", text) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"wsgate token: --claim: expected NAME=JSON, found {text!r}\n"


@pytest.mark.parametrize("content", [None, b"no key"], ids=["a folder", "no key"])
def test_a_key_that_cannot_be_used_is_said_in_one_line(
    content: bytes | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path if content is None else tmp_path / "key.pem"
    if content is not None:
        path.write_bytes(content)
    assert token(path) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("wsgate token: ")
    assert err.count("\n") == 1


def test_a_lifetime_that_is_none_ends_as_argparse_ends(key_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        token(key_file, "--for", "0s")
    assert "30s, 15m, 24h or 7d" in capsys.readouterr().err


def test_only_the_key_set_is_printed_where_that_is_asked_for(
    key_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert token(key_file, "--only", "jwks") == 0
    found = json.loads(capsys.readouterr().out)
    assert found == DevelopmentKey.load_or_create(key_file)[0].jwks()
    assert "d" not in found["keys"][0]
