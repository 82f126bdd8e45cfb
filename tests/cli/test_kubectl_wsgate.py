"""kubectl wsgate starts fast, and says what is wrong with a command line."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.cli.plugin.stub_kubectl import StubKubectl
from wsgate_cli.kubectl_wsgate import main

SLOW = {"aiohttp", "asyncio", "pydantic", "yaml", "http"}


def test_nothing_slow_is_loaded_before_the_flags_are_understood() -> None:
    program = (
        "import sys, wsgate_cli.kubectl_wsgate as a, wsgate_cli.kubectl_create_tokenrevocation as b\n"
        f"a.make_parser(); b.make_parser(); print(*({SLOW} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "COMMAND"),
        (["rutes"], "invalid choice"),
        (["routes", "-o", "xml"], "wide"),
        (["routes", "--sub", "a"], "--sub: no such flag"),
        (["sessions", "--sub", "a", "--sub", "b"], "--sub: given twice"),
        (["close"], "POD/UID"),
        (["revoke"], "--sub"),
        (["revoke", "--sub", "a", "--jti", "a", "--jti", "b"], "--jti: given twice"),
        (["why", "a", "b"], "one argument too many"),
        (["grant-secret"], "NAME"),
        (["grant-secret", "a", "-n", "b", "-n", "c"], "given twice"),
    ],
)
def test_a_mistyped_command_line_ends_with_two_and_names_the_flag(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    "command", ["routes", "revocations", "sessions", "refusals", "why", "close", "revoke", "grant-secret"]
)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main([command, "--help"])
    assert left.value.code == 0
    expected = "--operator-namespace" if command == "grant-secret" else "--admin-url"
    assert expected in capsys.readouterr().out


def test_create_revocation_is_kubectl_create_tokenrevocation(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["create-revocation", "a"]) == 2
    assert "nothing selects a token" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["create-revocation", "--help"])
    assert capsys.readouterr().out.startswith("usage: kubectl wsgate create-revocation ")


def test_a_cluster_without_pods_is_an_error_with_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stub = StubKubectl(tmp_path)
    monkeypatch.setenv("KUBECTL", str(stub.program))
    (tmp_path / "token").write_text("t")
    stub.says("get pods", out='{"items": []}')
    assert main(["routes", f"--admin-token-file={tmp_path / 'token'}"]) == 1
    assert capsys.readouterr().err.startswith("error: no pod with ")


def test_a_terminated_command_leaves_no_port_forward_behind(tmp_path: Path) -> None:
    stub = StubKubectl(tmp_path)
    (tmp_path / "token").write_text("t")
    pod = '{"metadata":{"name":"p"},"spec":{"containers":[]},"status":{"phase":"Running"}}'
    stub.says("get pods", out=f'{{"items": [{pod}]}}')
    flags = ["routes", f"--admin-token-file={tmp_path / 'token'}"]
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(10)
        port = silent.getsockname()[1]
        stub.says("port-forward", out=f"Forwarding from 127.0.0.1:{port} -> 9090\n", seconds=60)
        environ = {**os.environ, "KUBECTL": str(stub.program)}
        with subprocess.Popen(
            [sys.executable, "-m", "wsgate_cli.kubectl_wsgate", *flags], env=environ, stderr=subprocess.DEVNULL
        ) as process:
            asked, _ = silent.accept()
            process.send_signal(signal.SIGTERM)
            asked.close()
            assert process.wait(10) == 128 + signal.SIGTERM
    assert not Path(f"/proc/{stub.called('port-forward')[0].pid}").exists()


def test_a_grant_is_printed_for_kubectl_to_apply(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["grant-secret", "client", "-n", "shop"]) == 0
    role, binding = yaml.safe_load_all(capsys.readouterr().out)
    assert role["rules"][0]["resourceNames"] == ["client"]
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": "wsgate-operator", "namespace": "wsgate-system"}
    ]
    flags = ("--gateway-name", "inner", "--operator-namespace", "gw", "--service-account", "op")
    assert main(["grant-secret", "client", *flags]) == 0
    role, binding = yaml.safe_load_all(capsys.readouterr().out)
    assert role["metadata"] == {"name": "inner-secret-client"}
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "op", "namespace": "gw"}]


def test_a_grant_of_what_is_no_name_prints_nothing_to_apply(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["grant-secret", "A B"]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.startswith("error: NAME: 'A B' is no name")
