"""kubectl create tokenrevocation hands an object to kubectl, and says what the operator makes of it."""

import io
import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.plugin.stub_kubectl import StubKubectl
from tests.support.world import development_key
from wsgate_cli.kubectl_create_tokenrevocation import main
from wsgate_dataplane.identity.compact import parse_compact
from wsgate_operator.resources.metadata import parse_date_time

CREATED = "tokenrevocation.wsgate.dev/a created\n"


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StubKubectl:
    made = StubKubectl(tmp_path)
    monkeypatch.setenv("KUBECTL", str(made.program))
    made.says("create", out=CREATED)
    made.says("get", out=json.dumps(judged("True", "Active")))
    return made


def judged(active: str, reason: str) -> dict[str, Any]:
    states = {"Accepted": "True", "Published": "True", "Active": active}
    conditions = [
        {"type": name, "status": state, "reason": reason, "message": 'namespace "team" has no route'}
        for name, state in states.items()
    ]
    return {"status": {"conditions": conditions}}


def error_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    try:
        assert main(arguments) == 2
    except SystemExit as left:
        assert left.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    return err


def test_the_object_goes_to_kubectl_and_its_words_come_back(
    stub: StubKubectl, capfd: pytest.CaptureFixture[str]
) -> None:
    before = int(time.time())
    assert main(["a", "--subject", "alice", "-n", "team", "--context=c"]) == 0
    assert capfd.readouterr() == (CREATED, "")
    create, look = stub.calls
    assert create.arguments == ["create", "-f", "-", "--namespace=team", "--context=c"]
    assert create.manifest["metadata"] == {"name": "a"}
    issued_before = parse_date_time(create.manifest["spec"]["issuedBefore"]).timestamp()
    assert before <= issued_before <= time.time()
    assert {"get", "a", "--namespace=team", "--context=c"} <= set(look.arguments)


def test_a_ban_has_no_moment(stub: StubKubectl) -> None:
    assert main(["a", "--subject", "alice", "--ban", "--reason", "AccountDisabled:left"]) == 0
    spec = stub.calls[0].manifest["spec"]
    assert spec == {"subject": "alice", "reason": {"code": "AccountDisabled", "text": "left"}}


def test_without_a_name_the_one_that_was_made_is_looked_at(stub: StubKubectl) -> None:
    stub.says("create", out="tokenrevocation.wsgate.dev/revocation-x7k2p created\n")
    assert main(["--jti", "j"]) == 0
    create, look = stub.calls
    assert create.manifest["metadata"] == {"generateName": "revocation-"}
    assert "revocation-x7k2p" in look.arguments


def test_one_without_routes_in_scope_is_warned_of_and_created_all_the_same(
    stub: StubKubectl, capfd: pytest.CaptureFixture[str]
) -> None:
    stub.says("get", out=json.dumps(judged("False", "NoRoutesInScope")))
    assert main(["a", "--jti", "j"]) == 0
    out, err = capfd.readouterr()
    assert out == CREATED
    assert err.startswith("warning: tokenrevocation/a: it revokes nothing: Active is False: NoRoutesInScope: ")


@pytest.mark.parametrize(
    ("arguments", "passed"),
    [
        (["--dry-run"], ["--dry-run=client"]),
        (["--dry-run=server", "-o", "yaml"], ["--dry-run=server", "--output=yaml"]),
        (["-ojson"], ["--output=json"]),
        (["--output=name"], ["--output=name"]),
    ],
)
def test_dry_run_and_output_are_kubectls_and_nothing_is_looked_at_afterwards(
    arguments: list[str], passed: list[str], stub: StubKubectl, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["a", "--jti", "j", *arguments]) == 0
    (create,) = stub.calls
    assert create.arguments == ["create", "-f", "-", *passed]
    assert capfd.readouterr().out == CREATED


def test_dry_run_none_creates_and_is_looked_at(stub: StubKubectl) -> None:
    assert main(["a", "--jti", "j", "--dry-run=none"]) == 0
    assert [call.arguments[0] for call in stub.calls] == ["create", "get"]


def test_a_refusal_of_the_api_server_keeps_its_words_and_status(
    stub: StubKubectl, capfd: pytest.CaptureFixture[str]
) -> None:
    stub.says("create", err="Error from server (AlreadyExists): exists\n", status=7)
    assert main(["a", "--jti", "j"]) == 7
    assert capfd.readouterr() == ("", "Error from server (AlreadyExists): exists\n")
    assert len(stub.calls) == 1


def test_a_token_from_standard_input_becomes_its_hash_and_its_end(
    stub: StubKubectl, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    now = int(time.time())
    token = development_key().token({"sub": "alice"}, now, 3600)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"{token}\n".encode())))
    assert main(["a", "--token-file", "-"]) == 0
    spec = stub.calls[0].manifest["spec"]
    assert set(spec) == {"tokenSHA256", "expiresAt"}
    assert spec["tokenSHA256"] == parse_compact(token).sha256
    assert parse_date_time(spec["expiresAt"]).timestamp() == now + 3600 + 600
    written = "".join(capfd.readouterr()) + str(stub.calls)
    assert all(part not in written for part in token.split("."))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "nothing selects a token"),
        (["a", "b", "--jti", "j"], "one argument too many"),
        (["a", "--jti", "j", "--jti", "k"], "--jti: given twice"),
        (["a", "--jti"], "--jti: expected one argument"),
        (["a", "--jti="], "--jti: empty"),
        (["a", "--jti", "j", "--for", "1w"], "--for: expected a duration such as 30s, 15m, 24h or 7d"),
        (["a", "--jti", "j", "--dry-run=yes"], "write --dry-run=none, --dry-run=client or --dry-run=server"),
        (["--jti", "j", "--dry-run", "a"], "write --dry-run=none, --dry-run=client or --dry-run=server"),
        (["a", "--sub", "alice"], "--sub: no such flag; did you mean --subject?"),
        (["a", "--token", "secret"], "--token-file - for standard input"),
        (["a", "--token-file", "/nowhere/token"], "--token-file: cannot read it: No such file or directory"),
        (["a", "--ban"], "--ban: bans a subject; add --subject"),
    ],
)
def test_flags_that_cannot_be_used_end_with_two_and_reach_no_cluster(
    arguments: list[str], words: str, stub: StubKubectl, capsys: pytest.CaptureFixture[str]
) -> None:
    assert words in error_of(capsys, *arguments)
    assert stub.calls == []


def test_every_fault_is_a_line_that_begins_with_error(
    stub: StubKubectl, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = error_of(capsys, "A", "--jti", "j", "--reason", "x").splitlines()
    assert [line.split(":")[:2] for line in lines] == [["error", " NAME"], ["error", " --reason"]]


def test_without_kubectl_it_is_said_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KUBECTL", "/nowhere/kubectl")
    assert "install kubectl, or set KUBECTL" in error_of(capsys, "a", "--jti", "j")
