"""wsgate check prints each step of the gateway's own admission."""

import time
from pathlib import Path

import pytest
import yaml

from tests.support.certificates import pair
from tests.support.world import development_key, object_of
from wsgate_cli.__main__ import main
from wsgate_cli.devkey import provider


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    spec = {
        "prefix": "/echo",
        "hostnames": ["gateway.example"],
        "upstream": "ws://127.0.0.1:1/",
        "auth": {"providers": [provider(development_key())]},
    }
    (tmp_path / "route.yaml").write_text(yaml.safe_dump(object_of("WsRoute", "echo", spec)))
    revocation = object_of("TokenRevocation", "mallory", {"subject": "mallory"})
    (tmp_path / "revocation.yaml").write_text(yaml.safe_dump(revocation))
    return tmp_path


def check(folder: Path, subject: str, *more: str, route: str = "echo") -> int:
    token = folder / "token"
    token.write_text(development_key().token({"sub": subject}, int(time.time()), 60) + "\n")
    return main(["check", route, "--config", str(folder), "--token-file", str(token), *more])


def test_an_admitted_token_is_told_step_by_step(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(folder, "alice") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "   ok   path: /echo"
    assert lines[-1].startswith("ADMITTED to default/echo")


@pytest.mark.parametrize("route", ["echo", "default/echo", "/echo"])
def test_a_refused_one_is_told_why_and_what_to_do(
    folder: Path, capsys: pytest.CaptureFixture[str], route: str
) -> None:
    assert check(folder, "mallory", route=route) == 1
    out = capsys.readouterr().out
    assert "REFUSED token-revoked: by default/mallory" in out
    assert "Log in again" in out


def test_a_cookie_is_held_to_the_origin_rule(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(folder, "alice", "--source", "Cookie", "--origin", "https://evil.example") == 1
    assert "REFUSED origin-not-listed" in capsys.readouterr().out
    assert check(folder, "alice", "--source", "Cookie", "--origin", "https://gateway.example") == 0


def test_a_token_is_sent_by_the_source_that_is_asked_for_or_that_the_route_takes(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(folder, "alice", "--source", "Query") == 1
    assert "REFUSED token-missing" in capsys.readouterr().out
    document = yaml.safe_load((folder / "route.yaml").read_text())
    for source in ("Query", "SubProtocol"):
        document["spec"]["auth"]["tokenSources"] = [source]
        (folder / "route.yaml").write_text(yaml.safe_dump(document))
        assert check(folder, "alice") == 0
        assert f"token source: {source}" in capsys.readouterr().out


def test_a_question_that_cannot_be_asked_is_status_two(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(folder, "alice", route="nothing") == 2
    assert "default/echo (/echo)" in capsys.readouterr().err
    (folder / "broken.yaml").write_text("kind: [")
    assert check(folder, "alice") == 2
    assert "broken.yaml" in capsys.readouterr().err


def test_a_route_with_a_client_certificate_is_checked_where_its_folder_is_given(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = {
        "prefix": "/secured",
        "upstream": "wss://127.0.0.1:1/",
        "upstreamTLS": {"clientCertificateRef": {"name": "client"}},
        "auth": {"providers": [provider(development_key())]},
    }
    (folder / "secured.yaml").write_text(yaml.safe_dump(object_of("WsRoute", "secured", spec)))
    assert check(folder, "alice", route="secured") == 2
    assert "give --secrets-dir DIR, with client/ in it" in capsys.readouterr().err
    secrets = tmp_path_factory.mktemp("secrets")
    (secrets / "client").mkdir()
    for name, content in zip(("tls.crt", "tls.key"), pair("client.test"), strict=True):
        (secrets / "client" / name).write_bytes(content)
    assert check(folder, "alice", "--secrets-dir", str(secrets), route="secured") == 0
