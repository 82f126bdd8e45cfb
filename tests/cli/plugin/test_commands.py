"""Each command of kubectl wsgate over two pods with the real admin API, all of them there or not."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.plugin.stub_kubectl import StubKubectl
from tests.cli.plugin.two_pods import Pods, answering, two_pods
from tests.dataplane.admin.desk import NOW, TOKEN, a_session
from wsgate_cli.kubectl_wsgate import main
from wsgate_cli.plugin.ways import TOKEN_FILE_VARIABLE
from wsgate_contract.revocation import RevocationRecord
from wsgate_dataplane.outcomes.table import OUTCOMES, Reason
from wsgate_dataplane.session.lifecycle import Phase
from wsgate_dataplane.telemetry.refusals import Refusal

NOBODY = "http://127.0.0.1:1"


@pytest.fixture
def pods(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pods]:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    monkeypatch.setenv(TOKEN_FILE_VARIABLE, str(tmp_path / "token"))
    monkeypatch.setenv("KUBECTL", "/nowhere")
    with two_pods(tmp_path) as made:
        yield made


def wsgate(pods: Pods, command: str, *arguments: str, more: tuple[str, ...] = ()) -> int:
    return main([command, *arguments, *(f"--admin-url={url}" for url in (*pods.urls, *more))])


def sessions_on_both(pods: Pods) -> list[Any]:
    return pods.run(
        lambda: [a_session(desk.parts.registry, subject) for desk in pods.desks for subject in ("alice", "bob")]
    )


def refused(pods: Pods, pod: int, request_id: str, seconds: float = 0, **changes: Any) -> None:
    fields = {
        "time": NOW + seconds,
        "request_id": request_id,
        "reason": Reason.TOKEN_REVOKED,
        "detail": "by default/a",
        "path": "/echo",
        "address": "192.0.2.7",
        "status": 401,
        "route": "default/echo",
        "subject": "alice",
    }
    pods.run(lambda: pods.desks[pod].parts.refusals.add(Refusal(**{**fields, **changes})))


def test_sessions_of_all_pods_stand_in_one_table(pods: Pods, capsys: pytest.CaptureFixture[str]) -> None:
    sessions_on_both(pods)
    assert wsgate(pods, "sessions", "--sub", "alice") == 0
    title, *rows = capsys.readouterr().out.splitlines()
    assert title.split() == ["SESSION", "ROUTE", "SUB", "ADDRESS", "AGE", "EXPIRES"]
    assert sorted(row.split()[:4] for row in rows) == [
        ["pod-1/1", "default/echo", "alice", "192.0.2.7"],
        ["pod-2/1", "default/echo", "alice", "192.0.2.7"],
    ]


@pytest.mark.parametrize("kind", ["sessions", "routes", "revocations", "refusals"])
@pytest.mark.parametrize("output", [None, "wide", "json", "yaml"])
def test_every_listing_can_be_had_in_every_form_also_where_it_is_empty(
    kind: str, output: str | None, pods: Pods, capsys: pytest.CaptureFixture[str]
) -> None:
    assert wsgate(pods, kind, *(() if output is None else ("-o", output))) == 0
    out = capsys.readouterr().out
    if output in ("json", "yaml"):
        document = json.loads(out) if output == "json" else yaml.safe_load(out)
        assert document["items"] == []
        assert [each["pod"] for each in document["pods"]] == ["pod-1", "pod-2"]
    else:
        assert out.count("\n") == 1


def test_a_pod_that_is_away_is_named_and_the_others_are_shown(
    pods: Pods, capsys: pytest.CaptureFixture[str]
) -> None:
    sessions_on_both(pods)
    assert wsgate(pods, "sessions", more=(NOBODY,)) == 1
    out, err = capsys.readouterr()
    assert out.count("\n") == 5
    assert err == f"error: {NOBODY}: no answer: Connection refused\n"
    assert wsgate(pods, "sessions", "-o", "json", more=(NOBODY,)) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["problems"] == [{"pod": NOBODY, "detail": "no answer: Connection refused"}]
    assert len(document["items"]) == 4


def test_a_cut_listing_and_a_stale_view_are_remarked_beside_the_table(
    pods: Pods, capsys: pytest.CaptureFixture[str]
) -> None:
    sessions_on_both(pods)
    assert wsgate(pods, "sessions", "--limit", "1") == 0
    assert "note: pod-1: shows 1 of 2; filter to see the others" in capsys.readouterr().err
    assert wsgate(pods, "revocations") == 0
    assert "note: pod-1: stale: " in capsys.readouterr().err


def test_what_the_api_refuses_is_told_in_its_words(pods: Pods, capsys: pytest.CaptureFixture[str]) -> None:
    assert wsgate(pods, "sessions", "--limit", "many") == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[0] == f"error: {pods.urls[0]}: 400: limit: give a number from 1 to 1000."


def test_revocations_show_what_they_match(pods: Pods, capsys: pytest.CaptureFixture[str]) -> None:
    record = RevocationRecord(id="default/a", subject="alice", issued_before=int(NOW))
    pods.run(lambda: [desk.parts.view.replace([record]) for desk in pods.desks])
    assert wsgate(pods, "revocations") == 0
    assert "sub=alice iat<=2023-11-14T22:13:20Z" in capsys.readouterr().out


def test_why_explains_a_refusal_of_whichever_pod(pods: Pods, capsys: pytest.CaptureFixture[str]) -> None:
    refused(pods, 0, "other")
    refused(pods, 1, "r-17", path="/\x1b[2J")
    assert wsgate(pods, "why", "r-17") == 0
    out = capsys.readouterr().out
    assert out.splitlines() == [
        "token-revoked (401)",
        "  found:   by default/a",
        f"  to do:   {OUTCOMES[Reason.TOKEN_REVOKED].advice}",
        "  request: r-17 at 2023-11-14T22:13:20.000Z from 192.0.2.7, on pod pod-2",
        "  route:   default/echo, path /\\x1b[2J, sub alice",
    ]


def test_why_of_a_subject_explains_the_last_ones_newest_first(
    pods: Pods, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(7):
        refused(pods, number % 2, f"r-{number}", seconds=number)
    assert wsgate(pods, "why", "--sub", "alice") == 0
    out, err = capsys.readouterr()
    found = [line.split()[1] for line in out.splitlines() if "request:" in line]
    assert found == ["r-6", "r-5", "r-4", "r-3", "r-2"]
    assert "note: 2 older ones" in err
    assert wsgate(pods, "why", "--sub", "alice", "-o", "json") == 0
    assert len(json.loads(capsys.readouterr().out)["items"]) == 7


def test_why_says_where_it_looked_in_vain(pods: Pods, capsys: pytest.CaptureFixture[str]) -> None:
    assert wsgate(pods, "why", "r-0", more=(NOBODY,)) == 1
    err = capsys.readouterr().err
    assert "no such refusal among the last 1,000 of 2 pods" in err
    assert f"error: {NOBODY}" in err


@pytest.mark.parametrize("arguments", [(), ("r-1", "--sub", "alice")])
def test_why_needs_either_a_request_or_a_subject(
    arguments: tuple[str, ...], pods: Pods, capsys: pytest.CaptureFixture[str]
) -> None:
    assert wsgate(pods, "why", *arguments) == 2
    assert "either a REQUEST_ID, or --sub SUBJECT" in capsys.readouterr().err


def test_close_ends_that_session_on_that_pod(pods: Pods, capsys: pytest.CaptureFixture[str]) -> None:
    sessions = sessions_on_both(pods)
    assert wsgate(pods, "close", "pod-2/1") == 0
    assert capsys.readouterr().out == "session pod-2/1 closed\n"
    assert [session.life.phase is Phase.PENDING for session in sessions] == [True, True, False, True]


def test_close_names_each_session_that_is_not_there(pods: Pods, capsys: pytest.CaptureFixture[str]) -> None:
    sessions_on_both(pods)
    assert wsgate(pods, "close", "pod-1/99", "pod-9/1", "pod-1/2") == 1
    out, err = capsys.readouterr()
    assert out == "session pod-1/2 closed\n"
    assert "error: pod-1/99: 404: No such session here" in err
    assert "error: pod-9/1: no such pod answers; there are: pod-1, pod-2" in err


@pytest.mark.parametrize("session", ["1", "pod-1/", "/1"])
def test_close_needs_a_pod_and_a_uid(session: str, pods: Pods, capsys: pytest.CaptureFixture[str]) -> None:
    assert wsgate(pods, "close", session) == 2
    assert f"close: {session}: expected POD/UID" in capsys.readouterr().err


def test_revoke_tells_one_pod(pods: Pods, capsys: pytest.CaptureFixture[str]) -> None:
    sessions_on_both(pods)
    assert wsgate(pods, "revoke", "--sub", "alice") == 0
    assert f"1 sessions closed on {pods.urls[0]} at once, the other pods follow" in capsys.readouterr().out
    (record,) = pods.run(pods.desks[0].journal.load)
    assert (record.subject, record.jti, record.issued_before) == ("alice", None, int(NOW))
    assert pods.run(pods.desks[1].journal.load) == ()


def test_revoke_takes_jti_and_issuer_along(pods: Pods, capsys: pytest.CaptureFixture[str]) -> None:
    assert wsgate(pods, "revoke", "--sub=alice", "--jti=j", "--iss=https://id", "-o", "json") == 0
    (record,) = pods.run(pods.desks[0].journal.load)
    assert (record.jti, record.issuer) == ("j", "https://id")
    assert json.loads(capsys.readouterr().out) == {"pod": pods.urls[0], "id": record.id, "closed": 0}


def test_revoke_goes_on_to_the_next_pod(pods: Pods, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["revoke", "--sub=a", f"--admin-url={NOBODY}", f"--admin-url={pods.urls[1]}"]) == 0
    out, err = capsys.readouterr()
    assert pods.urls[1] in out
    assert err.startswith(f"note: {NOBODY}: ")
    assert len(pods.run(pods.desks[1].journal.load)) == 1


def test_revoke_without_a_pod_that_records_it_says_that_nothing_is_certain(
    pods: Pods, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["revoke", "--sub=a", f"--admin-url={NOBODY}"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "not recorded for certain; send it again" in err
    assert NOBODY in err


def test_revoke_does_not_ask_others_what_the_first_found_wrong(
    pods: Pods, capsys: pytest.CaptureFixture[str]
) -> None:
    assert wsgate(pods, "revoke", "--sub", "") == 1
    assert capsys.readouterr().err.count("400: sub: empty") == 1


def test_by_port_forward_every_pod_is_asked_and_nothing_stays_behind(
    pods: Pods, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stub = StubKubectl(tmp_path)
    monkeypatch.setenv("KUBECTL", str(stub.program))
    names = ["pod-1", "pod-2", "pod-3"]
    items = [
        {"metadata": {"name": name}, "spec": {"containers": []}, "status": {"phase": "Running"}} for name in names
    ]
    stub.says("get pods", out=json.dumps({"items": items}))
    for name, url in zip(names, pods.urls, strict=False):
        port = url.rpartition(":")[2]
        stub.says(f"port-forward pod/{name}", out=f"Forwarding from 127.0.0.1:{port} -> 9090\n", seconds=60)
    stub.says("port-forward pod/pod-3", err="error: pod is gone\n", status=1)
    sessions = sessions_on_both(pods)
    before = time.monotonic()
    assert main(["sessions", "--sub=alice"]) == 1
    assert main(["close", "pod-2/1"]) == 0
    assert main(["revoke", "--sub=bob"]) == 0
    assert time.monotonic() - before < 30
    out, err = capsys.readouterr()
    assert "pod-1/1" in out
    assert "pod-2/1" in out
    assert "1 sessions closed on pod-1 at once" in out
    assert "error: pod-3: kubectl port-forward does not reach it; kubectl: error: pod is gone" in err
    assert sessions[2].life.phase is not Phase.PENDING
    assert not any(Path(f"/proc/{call.pid}").exists() for call in stub.calls)


def test_a_pod_of_another_version_is_a_problem_and_no_traceback(
    pods: Pods, capsys: pytest.CaptureFixture[str]
) -> None:
    from aiohttp import web

    async def odd(request: web.BaseRequest) -> web.Response:
        return web.json_response({"rows": []})

    with answering(odd) as url:
        assert wsgate(pods, "routes", more=(url,)) == 1
    assert f"error: {url}: the answer holds no items" in capsys.readouterr().err
