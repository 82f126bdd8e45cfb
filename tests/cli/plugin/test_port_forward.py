"""A port-forward is there as long as it is needed, and its own words explain why it is not."""

import os
from pathlib import Path

import pytest

from tests.cli.plugin.stub_kubectl import StubKubectl
from wsgate_cli.plugin import port_forward as module
from wsgate_cli.plugin.admin_client import AdminError
from wsgate_cli.plugin.kubectl import Kubectl
from wsgate_cli.plugin.port_forward import port_forward

READY = "Forwarding from 127.0.0.1:45678 -> 9090\n"


@pytest.fixture
def stub(tmp_path: Path) -> StubKubectl:
    return StubKubectl(tmp_path)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_url_is_the_port_that_kubectl_chose_and_the_process_goes(stub: StubKubectl) -> None:
    stub.says("port-forward", out=f"warming up\n{READY}Handling connection\n", seconds=60)
    with port_forward(Kubectl(str(stub.program), ("--context=c",)), "ns", "pod-1", 9090) as url:
        assert url == "http://127.0.0.1:45678"
        (call,) = stub.calls
        assert is_alive(call.pid)
    assert call.arguments == [
        "port-forward",
        "--namespace=ns",
        "--address=127.0.0.1",
        "pod/pod-1",
        ":9090",
        "--context=c",
    ]
    assert not is_alive(call.pid)


def test_the_process_goes_whatever_happens_meanwhile(stub: StubKubectl) -> None:
    stub.says("port-forward", out=READY, seconds=60)
    with pytest.raises(KeyboardInterrupt), port_forward(Kubectl(str(stub.program)), "ns", "pod-1", 9090):
        raise KeyboardInterrupt
    assert not is_alive(stub.calls[0].pid)


def test_a_pod_that_is_not_reached_is_explained_by_kubectls_last_line(stub: StubKubectl) -> None:
    stub.says("port-forward", err="a warning\nerror: pod is not running\n", status=1)
    with pytest.raises(AdminError) as caught, port_forward(Kubectl(str(stub.program)), "ns", "pod-1", 9090):
        pytest.fail("there is no way")
    assert str(caught.value) == "kubectl port-forward does not reach it; kubectl: error: pod is not running"


def test_one_that_never_gets_ready_is_given_up(stub: StubKubectl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "READY_SECONDS_MAX", 0.2)
    stub.says("port-forward", seconds=60)
    with (
        pytest.raises(AdminError, match="does not reach it"),
        port_forward(Kubectl(str(stub.program)), "n", "p", 1),
    ):
        pytest.fail("there is no way")


def test_what_fails_on_the_way_is_explained_too_but_not_what_the_pod_answers(stub: StubKubectl) -> None:
    stub.says("port-forward", out=READY, err="lost connection to pod\n", seconds=60)
    for status, text in ((None, "no answer; kubectl: lost connection to pod"), (403, "no answer")):
        with pytest.raises(AdminError) as caught, port_forward(Kubectl(str(stub.program)), "n", "p", 1):
            raise AdminError("no answer", status)
        assert (str(caught.value), caught.value.status) == (text, status)


def test_a_program_that_cannot_be_run_is_said(tmp_path: Path) -> None:
    with (
        pytest.raises(AdminError, match="nothing: "),
        port_forward(Kubectl(str(tmp_path / "nothing")), "n", "p", 1),
    ):
        pytest.fail("there is no way")
