"""What is written is whole, versioned, and only written when it changed."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wsgate_contract import rendered
from wsgate_contract.revocation import RevocationRecord
from wsgate_contract.route import Route
from wsgate_operator.sinks.directory import DirectorySink

A, B = (Route(namespace="default", name=name, prefix=f"/{name}", upstream="ws://a") for name in "ab")
R1 = RevocationRecord(id="default/r1", subject="alice", issued_before=5)


def document(folder: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((folder / name).read_text())
    return found


def test_the_written_routes_are_read_back(tmp_path: Path) -> None:
    assert DirectorySink(tmp_path / "new" / "folder").write_routes([B, A]) == 1
    found = rendered.read("routes", document(tmp_path / "new" / "folder", "routes.yaml"))
    assert [Route.from_document(item) for item in found.items] == [B, A]


def test_the_file_is_readable_sorted_and_without_defaults(tmp_path: Path) -> None:
    DirectorySink(tmp_path).write_routes([A])
    text = (tmp_path / "routes.yaml").read_text()
    assert text.startswith("format: 1\nversion: 1\nsha256: ")
    assert text.endswith("routes:\n- name: a\n  namespace: default\n  prefix: /a\n  upstream: ws://a\n")


def test_the_version_grows_with_the_content_only(tmp_path: Path) -> None:
    sink = DirectorySink(tmp_path)
    assert [sink.write_routes(routes) for routes in ([A], [A], [A, B], [A, B], [])] == [1, 1, 2, 2, 3]


def test_an_unchanged_file_is_not_touched(tmp_path: Path) -> None:
    sink = DirectorySink(tmp_path)
    sink.write_routes([A])
    before = (tmp_path / "routes.yaml").stat()
    sink.write_routes([A])
    assert (tmp_path / "routes.yaml").stat().st_ino == before.st_ino


def test_the_version_continues_after_a_restart(tmp_path: Path) -> None:
    for routes in ([A], [B]):
        DirectorySink(tmp_path).write_routes(routes)
    assert DirectorySink(tmp_path).write_routes([B]) == 2
    assert DirectorySink(tmp_path).write_routes([A]) == 3


@pytest.mark.parametrize(
    ("left_behind", "version"),
    [
        ("format: 1\nversion: 41\nsha256: wrong\nroutes: []\n", 42),
        ("format: 1\nversion: x\nroutes: []\n", 1),
        ("[", 1),
        ("- 1", 1),
        ("", 1),
    ],
)
def test_a_damaged_file_is_replaced(tmp_path: Path, left_behind: str, version: int) -> None:
    (tmp_path / "routes.yaml").write_text(left_behind)
    assert DirectorySink(tmp_path).write_routes([A]) == version
    rendered.read("routes", document(tmp_path, "routes.yaml"))


def test_unchanged_revocations_are_written_once(tmp_path: Path) -> None:
    sink = DirectorySink(tmp_path)
    for now in (100.0, 101.0, 1000.0):
        assert sink.write_revocations([R1], now) == 1
    assert document(tmp_path, "revocations.yaml")["confirmedAt"] == 100.0


def test_changed_revocations_are_written_at_once(tmp_path: Path) -> None:
    sink = DirectorySink(tmp_path)
    sink.write_revocations([], 100.0)
    assert sink.write_revocations([R1], 100.1) == 2
    found = rendered.read("revocations", document(tmp_path, "revocations.yaml"))
    assert [RevocationRecord.from_document(item) for item in found.items] == [R1]
    assert found.confirmed_at == 100.1


def test_a_restart_confirms_what_stands_without_a_new_version(tmp_path: Path) -> None:
    DirectorySink(tmp_path).write_revocations([R1], 100.0)
    assert DirectorySink(tmp_path).write_revocations([R1], 200.0) == 1
    assert document(tmp_path, "revocations.yaml")["confirmedAt"] == 200.0


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = DirectorySink(tmp_path)
    sink.write_routes([A])

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(OSError, match="No space left"):
            sink.write_routes([B])
    assert [path.name for path in tmp_path.iterdir()] == ["routes.yaml"]
    assert document(tmp_path, "routes.yaml")["version"] == 1
    assert sink.write_routes([B]) == 2


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(subject=st.text(), value=st.text(max_size=256))
def test_any_text_survives_the_file(tmp_path: Path, subject: str, value: str) -> None:
    record = RevocationRecord.model_validate(
        {"id": "a/b", "subject": subject, "claim": {"claim": "c", "value": value}}
    )
    DirectorySink(tmp_path).write_revocations([record], 1.0)
    found = rendered.read("revocations", document(tmp_path, "revocations.yaml"))
    assert [RevocationRecord.from_document(item) for item in found.items] == [record]


def test_client_certificates_are_files_of_this_user_alone_and_go_with_their_routes(tmp_path: Path) -> None:
    sink = DirectorySink(tmp_path)
    sink.write_certificates({"a": b"first", "b": b"second"})
    folder = tmp_path / "secrets"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"a.pem": b"first", "b.pem": b"second"}
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700
    kept = (folder / "b.pem").stat().st_ino
    sink.write_certificates({"b": b"second"})
    assert [(path.name, path.stat().st_ino) for path in folder.iterdir()] == [("b.pem", kept)]


def test_certificates_of_a_former_process_go(tmp_path: Path) -> None:
    DirectorySink(tmp_path).write_certificates({"a": b"first"})
    DirectorySink(tmp_path).write_certificates({})
    assert list((tmp_path / "secrets").iterdir()) == []
