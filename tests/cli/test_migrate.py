"""wsgate migrate: the original's files in, objects and an environment out, and what differs said aloud."""

from pathlib import Path

import pytest
import yaml

from wsgate_cli.__main__ import main
from wsgate_dataplane.settings import Settings
from wsgate_operator.sources.files import FileSource

ROUTES = """\
- prefix: /livekit
  upstream: ws://livekit-signal.media.svc.cluster.local:7880/signal
  copySubProtocol: true
  preserveQuery: true
- prefix: /mqtt
  upstream: ws://rabbitmq-mqtt.messaging.svc.cluster.local:15675/ws
  copySubProtocol: false
  preserveQuery: true
"""
CANARY = "hunter2"
ENV = f"""\
JWKS_URL=https://keycloak.example.com/realms/myrealm/protocol/openid-connect/certs
WS_IDLE_TIMEOUT_SECONDS=90
RAW_WS_BACKEND_URL=ws://backend-service:8081/raw
REDIS_URL=redis://:{CANARY}@redis:6379/0
POSTGRES_DSN=
"""
VALUES = f"""\
replicaCount: 2
gatewayRoutes:
{ROUTES}
env:
  JWKS_URL: https://keycloak.example.com/certs
secrets:
  JWT_EXPECTED_ISSUER: https://keycloak.example.com/realms/{CANARY}
  REDIS_URL: ""
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name, text in (("old.yaml", ROUTES), ("old.env", ENV), ("values.yaml", VALUES)):
        (tmp_path / name).write_text(text)
    return tmp_path


def test_objects_go_to_standard_output_and_everything_else_to_the_other(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["migrate", str(files / "old.yaml"), "--env-file", str(files / "old.env")]) == 0
    out, err = capsys.readouterr()
    documents = list(yaml.safe_load_all(out))
    assert [each["metadata"]["name"] for each in documents] == ["livekit", "mqtt"]
    assert documents[1]["spec"]["copySubProtocol"] is False
    lines = err.splitlines()
    assert "environment: WS_IDLE_TIMEOUT_SECONDS=90" in lines
    assert any(line.startswith("changed: RAW_WS_BACKEND_URL: upstreams by protocol are gone") for line in lines)
    assert any(line.startswith("changed: /metrics: moves") for line in lines)
    assert any(line.startswith("changed: /admin/revoke: moves") and "bearer token" in line for line in lines)
    assert any(line.startswith("secret: REDIS_URL: not printed") and "old.env:4" in line for line in lines)
    assert lines[-1].startswith("next: kubectl apply")
    assert CANARY not in out + err


def test_a_folder_gets_objects_and_environment_that_wsgate_reads(files: Path) -> None:
    output = files / "new"
    arguments = [str(files / "old.yaml"), "--env-file", str(files / "old.env"), "--output", f"{output}/"]
    assert main(["migrate", *arguments]) == 0
    assert sorted(each.name for each in output.iterdir()) == ["routes.yaml", "wsgate.env"]
    loaded = FileSource(output, "default").load()
    assert (len(loaded.objects), loaded.problems) == (2, ())
    text = (output / "wsgate.env").read_text()
    assert CANARY not in text
    given = dict(line.split("=", 1) for line in text.splitlines() if not line.startswith("#"))
    assert Settings.load(given).ws_idle_timeout_seconds == 90


def test_helm_values_alone_are_enough_and_what_is_secret_there_is_never_printed(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["migrate", "--values", str(files / "values.yaml"), "--namespace", "wsgate-system"]) == 0
    out, err = capsys.readouterr()
    assert {each["metadata"]["namespace"] for each in yaml.safe_load_all(out)} == {"wsgate-system"}
    assert "secret: JWT_EXPECTED_ISSUER" in err
    assert "replicaCount: not carried over" in err
    assert CANARY not in out + err


def test_an_environment_alone_is_written_as_one(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["migrate", "--env-file", str(files / "old.env")]) == 0
    out, err = capsys.readouterr()
    assert "WS_IDLE_TIMEOUT_SECONDS=90\n" in out
    assert "environment: " not in err


def test_without_a_provider_that_is_said(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["migrate", str(files / "old.yaml")]) == 0
    assert "changed: JWKS_URL: was not in what was read" in capsys.readouterr().err


def test_all_faults_are_told_at_once_with_their_places_and_nothing_is_written(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (files / "old.yaml").write_text(f"- prefix: mqtt\n  upstream: ws://u:{CANARY}@h/\n")
    (files / "old.env").write_text("WS_IDLE_TIMEOUT_SECONDS=soon\n")
    arguments = [
        str(files / "old.yaml"),
        "--env-file",
        str(files / "old.env"),
        "--output",
        str(files / "out.yaml"),
    ]
    assert main(["migrate", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "old.yaml:1: [0].prefix: " in err and "old.yaml:2: [0].upstream: " in err
    assert "old.env:1: WS_IDLE_TIMEOUT_SECONDS: expected a whole number of seconds, found 'soon'" in err
    assert CANARY not in err
    assert not (files / "out.yaml").exists()


def test_nothing_to_read_and_an_input_as_output_are_refused(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["migrate"]) == 2
    assert "nothing to read" in capsys.readouterr().err
    path = str(files / "old.yaml")
    assert main(["migrate", path, "--output", path]) == 2
    assert "is read from; choose another place" in capsys.readouterr().err
    assert (files / "old.yaml").read_text() == ROUTES


def test_a_name_that_is_no_namespace_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["migrate", "a.yaml", "--namespace", "A B"])
    assert "expected the name of a namespace" in capsys.readouterr().err
