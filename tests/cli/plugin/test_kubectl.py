"""kubectl is found, gets exactly what is meant for it, and its own words come back."""

from pathlib import Path

import pytest

from tests.cli.plugin.stub_kubectl import StubKubectl
from wsgate_cli.plugin.kubectl import Kubectl, KubectlError


@pytest.fixture
def stub(tmp_path: Path) -> StubKubectl:
    return StubKubectl(tmp_path)


def test_the_variable_counts_before_the_path(stub: StubKubectl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(stub.program.parent))
    monkeypatch.delenv("KUBECTL", raising=False)
    assert Kubectl.find().program == str(stub.program)
    monkeypatch.setenv("KUBECTL", "/nowhere/kubectl")
    with pytest.raises(KubectlError, match=r"/nowhere/kubectl: no such program; .* KUBECTL"):
        Kubectl.find()


def test_output_is_what_it_prints_and_the_flags_go_along(stub: StubKubectl) -> None:
    stub.says("get pods", out="näme\n")
    assert Kubectl(str(stub.program), ("--context=a b",)).output("get", "pods") == "näme\n"
    (call,) = stub.calls
    assert call.arguments == ["get", "pods", "--context=a b"]


def test_a_failure_carries_its_words(stub: StubKubectl) -> None:
    stub.says("get", err="Error from server (Forbidden): no\n", status=1)
    with pytest.raises(KubectlError, match=r"^kubectl get: Error from server \(Forbidden\): no$"):
        Kubectl(str(stub.program)).output("get", "pods")
    stub.says("get", status=3)
    with pytest.raises(KubectlError, match=r"^kubectl get: status 3$"):
        Kubectl(str(stub.program)).output("get", "pods")


def test_one_that_hangs_is_given_up(stub: StubKubectl) -> None:
    stub.says("get", seconds=60)
    with pytest.raises(KubectlError, match=r"^kubectl get: no answer within 0\.2 s$"):
        Kubectl(str(stub.program)).output("get", seconds=0.2)


def test_one_that_cannot_be_run_is_said(tmp_path: Path) -> None:
    program = tmp_path / "kubectl"
    program.write_bytes(b"\x7fELF, but not really")
    program.chmod(0o755)
    with pytest.raises(KubectlError, match="kubectl: "):
        Kubectl(str(program)).output("get")
    with pytest.raises(KubectlError, match="kubectl: "):
        Kubectl(str(program)).create("{}", is_captured=True)


def test_create_hands_the_manifest_over_and_keeps_status_and_errors(
    stub: StubKubectl, capfd: pytest.CaptureFixture[str]
) -> None:
    stub.says("create", out="made\n", err="careful\n", status=4)
    kubectl = Kubectl(str(stub.program), ("--user=u",))
    assert kubectl.create('{"a": 1}', "--dry-run=client", is_captured=True) == (4, "made\n")
    assert kubectl.create('{"a": 1}', is_captured=False) == (4, "")
    assert capfd.readouterr() == ("made\n", "careful\ncareful\n")
    first, second = stub.calls
    assert first.arguments == ["create", "-f", "-", "--dry-run=client", "--user=u"]
    assert second.manifest == {"a": 1}
