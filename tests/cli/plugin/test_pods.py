"""All running pods of a gateway are asked, each by a way of its own, and one that fails hides no other."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.plugin.stub_kubectl import StubKubectl
from tests.cli.plugin.two_pods import two_pods
from tests.dataplane.admin.desk import TOKEN
from wsgate_cli.plugin.admin_client import AdminClient, AdminError
from wsgate_cli.plugin.kubectl import Kubectl, KubectlError
from wsgate_cli.plugin.pods import (
    NoPods,
    Problem,
    ask,
    ask_all,
    pod_targets,
    token_from_file,
    token_from_secret,
    url_target,
)


@pytest.fixture
def stub(tmp_path: Path) -> StubKubectl:
    return StubKubectl(tmp_path)


def a_pod(name: str, phase: str = "Running", ports: Any = ()) -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "spec": {"containers": [{"name": "sidecar"}, {"name": "dataplane", "ports": list(ports)}]},
        "status": {"phase": phase},
    }


def listed(stub: StubKubectl, *pods: dict[str, Any]) -> None:
    stub.says("get pods", out=json.dumps({"items": pods}))


def url_of(client: AdminClient) -> str:
    return client.url


def test_the_pods_of_one_gateway_are_looked_for_by_their_labels(stub: StubKubectl) -> None:
    listed(stub, a_pod("pod-1"), a_pod("pod-2", "Pending"), a_pod("pod-3"))
    targets = pod_targets(Kubectl(str(stub.program)), "ns", "public", TOKEN)
    assert [target.name for target in targets] == ["pod-1", "pod-3"]
    (call,) = stub.calls
    labels = (
        "app.kubernetes.io/name=wsgate,app.kubernetes.io/component=dataplane,app.kubernetes.io/instance=public"
    )
    assert call.arguments == ["get", "pods", "--namespace=ns", f"--selector={labels}", "--output=json"]


@pytest.mark.parametrize(
    ("ports", "port"),
    [((), ":9090"), (({"name": "public", "containerPort": 1}, {"name": "admin", "containerPort": 7000}), ":7000")],
)
def test_a_pods_admin_port_is_the_one_that_it_names(ports: Any, port: str, stub: StubKubectl) -> None:
    listed(stub, a_pod("pod-1", ports=ports))
    stub.says("port-forward", out="Forwarding from 127.0.0.1:45678 -> 1\n", seconds=60)
    (target,) = pod_targets(Kubectl(str(stub.program)), "ns", "wsgate", TOKEN)
    assert ask(target, url_of) == "http://127.0.0.1:45678"
    assert stub.called("port-forward")[0].arguments[-2:] == ["pod/pod-1", port]


@pytest.mark.parametrize(("pods", "words"), [([], "no pod"), ([a_pod("p", "Pending")], "no running pod")])
def test_nobody_to_ask_is_said_with_where_was_looked(pods: Any, words: str, stub: StubKubectl) -> None:
    listed(stub, *pods)
    with pytest.raises(NoPods, match=rf"^{words} with .*instance=wsgate in namespace ns; .*--namespace\?$"):
        pod_targets(Kubectl(str(stub.program)), "ns", "wsgate", TOKEN)


@pytest.mark.parametrize("out", ["", "[]", "{}"])
def test_a_list_of_pods_that_is_none_is_said(out: str, stub: StubKubectl) -> None:
    stub.says("get pods", out=out)
    with pytest.raises(KubectlError, match="no list of pods"):
        pod_targets(Kubectl(str(stub.program)), "ns", "wsgate", TOKEN)


def test_answers_are_in_the_order_of_the_targets_and_the_others_are_problems(tmp_path: Path) -> None:
    with two_pods(tmp_path) as pods:
        urls = [pods.urls[1], "http://127.0.0.1:1", pods.urls[0]]
        answers, problems = ask_all(
            [url_target(url, TOKEN) for url in urls], lambda client: client.items("routes")["pod"]
        )
    assert answers == ["pod-2", "pod-1"]
    assert problems == [Problem("http://127.0.0.1:1", "no answer: Connection refused")]


def test_a_problem_keeps_the_status_of_its_answer() -> None:
    def refuse(client: AdminClient) -> str:
        raise AdminError("400: bad", 400)

    problem = ask(url_target("http://h", TOKEN), refuse)
    assert problem == Problem("http://h", "400: bad", 400)
    assert str(problem) == "http://h: 400: bad"


def test_the_token_is_read_from_a_file_without_its_line_end(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    assert token_from_file(str(path)) == TOKEN


@pytest.mark.parametrize("content", [b"", b" \n", b"secret\nsecret", b"secret\xff", b"secret\x00"])
def test_a_token_that_no_header_can_carry_is_refused_without_being_shown(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="holds") as caught:
        token_from_file(str(path))
    assert "secret" not in str(caught.value)


def test_the_token_is_read_from_a_secret(stub: StubKubectl) -> None:
    stub.says("get", out=base64.b64encode(TOKEN.encode()).decode())
    assert token_from_secret(Kubectl(str(stub.program)), "ns", "wsgate-admin") == TOKEN
    (call,) = stub.calls
    assert call.arguments == ["get", "secret/wsgate-admin", "--namespace=ns", "--output=jsonpath={.data.token}"]


@pytest.mark.parametrize("out", ["", "%%%", "YQ"])
def test_a_secret_without_a_usable_token_is_refused(out: str, stub: StubKubectl) -> None:
    stub.says("get", out=out)
    with pytest.raises(ValueError, match=r"holds no token|not base64"):
        token_from_secret(Kubectl(str(stub.program)), "ns", "wsgate-admin")
