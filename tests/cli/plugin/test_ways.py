"""Pods and token are found as the flags say, then the environment, then the cluster."""

import base64
import json
from pathlib import Path

import pytest

from tests.cli.plugin.stub_kubectl import StubKubectl
from wsgate_cli.kubectl_wsgate import make_parser
from wsgate_cli.plugin.pods import Target, ask
from wsgate_cli.plugin.ways import TOKEN_FILE_VARIABLE, Unusable, find_targets


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StubKubectl:
    monkeypatch.delenv(TOKEN_FILE_VARIABLE, raising=False)
    made = StubKubectl(tmp_path)
    monkeypatch.setenv("KUBECTL", str(made.program))
    made.says("get", out=base64.b64encode(b"from the Secret").decode())
    pod = {"metadata": {"name": "pod-1"}, "spec": {"containers": []}, "status": {"phase": "Running"}}
    made.says("get pods", out=json.dumps({"items": [pod]}))
    return made


def targets(*arguments: str) -> tuple[Target, ...]:
    return find_targets(make_parser().parse_args(["routes", *arguments]))


def token_of(target: Target) -> object:
    return ask(target, lambda client: client.token)


def test_a_file_counts_before_the_variable_before_the_secret(
    stub: StubKubectl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("flag", "variable"):
        (tmp_path / name).write_text(f"from the {name}")
    assert token_of(targets("--admin-url=http://h")[0]) == "from the Secret"
    monkeypatch.setenv(TOKEN_FILE_VARIABLE, str(tmp_path / "variable"))
    assert token_of(targets("--admin-url=http://h")[0]) == "from the variable"
    found = targets("--admin-url=http://h", f"--admin-token-file={tmp_path / 'flag'}")
    assert token_of(found[0]) == "from the flag"


def test_urls_are_asked_in_their_order_and_kubectl_is_not_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECTL", "/nowhere")
    (tmp_path / "token").write_text("t")
    flags = ["--admin-url=http://b/", "--admin-url", "https://a", f"--admin-token-file={tmp_path / 'token'}"]
    assert [target.name for target in targets(*flags)] == ["http://b", "https://a"]


def test_without_urls_the_pods_of_the_gateway_are_found_with_the_flags_for_kubectl(stub: StubKubectl) -> None:
    found = targets("-n", "team", "--gateway-name=public", "--context=c")
    assert [target.name for target in found] == ["pod-1"]
    secret, pods = stub.calls
    assert {"secret/public-admin", "--namespace=team", "--context=c"} <= set(secret.arguments)
    assert {"pods", "--namespace=team", "--context=c"} <= set(pods.arguments)
    assert any(word.endswith("instance=public") for word in pods.arguments)


def test_the_defaults_are_those_of_the_manifests(stub: StubKubectl) -> None:
    targets()
    assert {"secret/wsgate-admin", "--namespace=wsgate-system"} <= set(stub.calls[0].arguments)


def test_a_url_that_is_none_is_named(stub: StubKubectl) -> None:
    with pytest.raises(Unusable, match=r"^--admin-url: expected a URL such as http://127\.0\.0\.1:9090$"):
        targets("--admin-url=localhost:9090")


@pytest.mark.parametrize("found", ["missing file", "empty file", "no right to the Secret", "no kubectl"])
def test_without_a_token_all_ways_to_give_one_are_named(
    found: str, stub: StubKubectl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = ["--admin-url=http://h"]
    if found.endswith("file"):
        (tmp_path / "empty file").touch()
        flags.append(f"--admin-token-file={tmp_path / found}")
    elif found == "no kubectl":
        monkeypatch.setenv("KUBECTL", "/nowhere")
    else:
        stub.says("get", err="Forbidden", status=1)
    with pytest.raises(
        Unusable, match=r"^no admin token: .*--admin-token-file FILE, or set WSGATE_ADMIN_TOKEN_FILE$"
    ):
        targets(*flags)
