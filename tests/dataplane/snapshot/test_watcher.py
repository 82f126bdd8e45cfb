"""New versions of the files are seen and proven; whatever is wrong with one keeps the last good one."""

import asyncio
import functools
import gzip
import logging
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.loops import eventually, on_both_loops
from wsgate_contract.rendered import build
from wsgate_contract.revocation_log import record_of_member
from wsgate_dataplane.snapshot import watcher
from wsgate_dataplane.snapshot.files import RevocationsFile, RoutesFile, load_revocations
from wsgate_dataplane.snapshot.watcher import SnapshotWatcher
from wsgate_dataplane.telemetry.metrics import Metrics

CHAT = {"namespace": "shop", "name": "chat", "prefix": "/chat", "upstream": "ws://chat.test/ws"}
FAILURES = "wsgate_config_reload_failures_total"
ALICE = {"id": "shop/alice", "subject": "alice"}


def routes_text(version: int, *items: dict[str, Any]) -> str:
    return yaml.safe_dump(build("routes", items or (CHAT,), version))


def revocations_text(version: int, *items: dict[str, Any], confirmed_at: float | None = None) -> str:
    return yaml.safe_dump(build("revocations", items, version, confirmed_at))


def replace_file(path: Path, text: str) -> None:
    """As editors and the renderer do: the new file takes the old one's name."""
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text(text)
    draft.rename(path)


@dataclass
class Watched:
    """A watcher over a folder, and what it handed over."""

    folder: Path
    metrics: Metrics = field(default_factory=Metrics)
    routes: list[RoutesFile] = field(default_factory=list)
    revocations: list[RevocationsFile] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.watcher = SnapshotWatcher(
            self.folder / "routes.yaml", self.routes.append, self.revocations.append, self.metrics
        )

    def poll(self) -> None:
        """One look."""
        asyncio.run(self.watcher.poll())

    @property
    def is_loaded(self) -> bool:
        """Whether both files have been applied once."""
        return self.watcher.has("routes") and self.watcher.has("revocations")

    def write_routes(self, text: str) -> None:
        replace_file(self.folder / "routes.yaml", text)

    def has_routes(self, count: int) -> bool:
        return len(self.routes) == count

    def write_revocations(self, text: str) -> None:
        replace_file(self.folder / "revocations.yaml", text)

    def sample(self, name: str, content: str) -> float | None:
        """A metric's value for routes or revocations."""
        return self.metrics.registry.get_sample_value(name, {"content": content})


@pytest.fixture
def watched(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Watched:
    """Both files there and applied; errors of the wsgate logger are caught."""
    caplog.set_level(logging.INFO, "wsgate")
    found = Watched(tmp_path)
    found.write_routes(routes_text(1))
    found.write_revocations(revocations_text(1))
    found.poll()
    return found


def errors(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """The fields of the logged errors."""
    return [record.__dict__["fields"] for record in caplog.records if record.levelno >= logging.ERROR]


def test_both_files_are_handed_over_once_and_it_is_loaded(watched: Watched) -> None:
    assert watched.is_loaded
    watched.poll()
    assert [file.version for file in watched.routes] == [1]
    assert [file.version for file in watched.revocations] == [1]


def test_it_is_loaded_only_when_both_files_have_been_applied(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    watched.poll()
    assert not watched.is_loaded
    watched.write_routes(routes_text(1))
    watched.poll()
    assert not watched.is_loaded
    watched.write_revocations(revocations_text(1))
    watched.poll()
    assert watched.is_loaded


def test_a_file_that_takes_the_name_is_seen(watched: Watched) -> None:
    watched.write_routes(routes_text(2, CHAT | {"prefix": "/room"}))
    watched.poll()
    assert [file.version for file in watched.routes] == [1, 2]
    assert watched.sample("wsgate_config_version", "routes") == 2


def test_a_file_written_in_place_is_seen(watched: Watched) -> None:
    (watched.folder / "routes.yaml").write_text(routes_text(22, CHAT | {"prefix": "/room"}))
    watched.poll()
    assert watched.routes[-1].version == 22


def test_the_same_routes_again_are_not_handed_over(watched: Watched) -> None:
    watched.write_routes("# touched\n" + routes_text(1))
    watched.poll()
    assert len(watched.routes) == 1


def test_a_new_confirmation_of_the_same_revocations_is_handed_over(watched: Watched) -> None:
    watched.write_revocations(revocations_text(1, confirmed_at=1234.0))
    watched.poll()
    assert [file.confirmed_at for file in watched.revocations] == [None, 1234.0]


def test_an_unknown_field_refuses_its_route_and_the_file_is_applied(watched: Watched) -> None:
    watched.write_routes(routes_text(2, CHAT | {"newField": 1}, CHAT | {"name": "room", "prefix": "/room"}))
    watched.poll()
    file = watched.routes[-1]
    assert [route.name for route in file.routes] == ["room"]
    assert [invalid.key for invalid in file.invalid] == ["shop/chat"]


BROKEN = {
    "wrong digest": routes_text(2).replace("chat.test", "evil.test"),
    "not YAML": "routes: [",
    "legacy list": "- prefix: /chat\n  upstream: ws://chat.test\n",
    "empty": "",
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_file_keeps_the_last_good_one_and_is_logged_once(
    watched: Watched, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    watched.write_routes(text)
    for _ in range(3):
        watched.poll()
    assert [file.version for file in watched.routes] == [1]
    assert watched.is_loaded
    (error,) = errors(caplog)
    assert error["kept"] == "the last good version stays"
    assert error["file"].endswith("routes.yaml")
    assert watched.sample(FAILURES, "routes") == 1


def test_a_headerless_list_is_answered_with_what_to_do(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    watched.write_routes(BROKEN["legacy list"])
    watched.poll()
    assert "wsgate migrate" in errors(caplog)[0]["error"]


def test_a_broken_file_is_logged_again_when_it_changes_and_then_mended(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    for text in ("[", "[[", routes_text(2, CHAT | {"prefix": "/room"})):
        watched.write_routes(text)
        watched.poll()
    assert len(errors(caplog)) == 2
    assert watched.routes[-1].version == 2


def test_without_a_good_version_the_error_says_that_nothing_is_served(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    watched = Watched(tmp_path)
    watched.poll()
    assert [error["kept"] for error in errors(caplog)] == ["nothing is served yet"] * 2


def test_a_vanished_file_is_not_an_empty_one(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("routes.yaml", "revocations.yaml"):
        (watched.folder / name).unlink()
    watched.poll()
    watched.poll()
    assert len(watched.routes) == len(watched.revocations) == 1
    assert watched.is_loaded
    assert len(errors(caplog)) == 2
    assert [watched.sample(FAILURES, content) for content in ("routes", "revocations")] == [1, 1]


def test_a_vanished_file_that_returns_is_followed_again(watched: Watched) -> None:
    (watched.folder / "routes.yaml").unlink()
    watched.poll()
    watched.write_routes(routes_text(2, CHAT | {"prefix": "/room"}))
    watched.poll()
    assert [file.version for file in watched.routes] == [1, 2]


def test_a_revocation_that_cannot_be_read_keeps_all_that_were_in_force(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    watched.write_revocations(revocations_text(2, ALICE, confirmed_at=1.0))
    watched.poll()
    watched.write_revocations(revocations_text(3, {"id": "shop/bob", "newMatcher": 1}, confirmed_at=2.0))
    watched.poll()
    assert [file.version for file in watched.revocations] == [1, 2]
    assert "newMatcher" in errors(caplog)[0]["error"]
    # An unread file confirms nothing either.
    assert watched.revocations[-1].confirmed_at == 1.0


def test_a_broken_routes_file_does_not_hold_up_the_revocations(watched: Watched) -> None:
    watched.write_routes("[")
    watched.write_revocations(revocations_text(2, ALICE))
    watched.poll()
    assert [file.version for file in watched.revocations] == [1, 2]


def publish(folder: Path, version: int, **contents: bytes) -> None:
    """What kubelet does: a new folder, then one rename of the link to it, then links for new names."""
    generation = folder / f"..{version}"
    generation.mkdir()
    for name, content in contents.items():
        (generation / name.replace("_", ".")).write_bytes(content)
    (folder / "..data_tmp").symlink_to(generation.name)
    os.replace(folder / "..data_tmp", folder / "..data")
    for path in generation.iterdir():
        if not (folder / path.name).is_symlink():
            (folder / path.name).symlink_to(f"..data/{path.name}")


def test_a_swap_of_the_data_link_of_a_mounted_volume_is_seen(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    for version, prefix in ((1, "/chat"), (2, "/room")):
        routes = routes_text(version, CHAT | {"prefix": prefix}).encode()
        publish(tmp_path, version, routes_yaml=routes, revocations_yaml=revocations_text(version).encode())
        watched.poll()
    assert [(file.version, file.routes[0].prefix) for file in watched.routes] == [(1, "/chat"), (2, "/room")]


def test_both_files_are_of_one_generation_and_the_revocations_come_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def both(version: int) -> dict[str, bytes]:
        routes = routes_text(version, CHAT | {"prefix": f"/v{version}"}).encode()
        return {"routes_yaml": routes, "revocations_yaml": revocations_text(version, ALICE).encode()}

    handed: list[tuple[str, int]] = []
    watched = Watched(tmp_path)
    monkeypatch.setattr(watched.watcher, "_on_routes", lambda file: handed.append(("routes", file.version)))
    monkeypatch.setattr(watched.watcher, "_on_revocations", lambda file: handed.append(("bans", file.version)))
    publish(tmp_path, 1, **both(1))
    load = load_revocations

    def load_and_swap(path: Path) -> RevocationsFile:
        """The volume is swapped after the first of the two was read."""
        found = load(path)
        if found.version == 1:
            publish(tmp_path, 2, **both(2))
        return found

    monkeypatch.setattr(watcher, "load_revocations", load_and_swap)
    watched.poll()
    watched.poll()
    assert handed == [("bans", 1), ("routes", 1), ("bans", 2), ("routes", 2)]


def test_a_generation_that_is_removed_while_it_is_read_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    watched = Watched(tmp_path)
    both = {"routes_yaml": routes_text(1).encode(), "revocations_yaml": revocations_text(1).encode()}
    publish(tmp_path, 1, **both)
    load = load_revocations

    def lose(path: Path) -> RevocationsFile:
        monkeypatch.setattr(watcher, "load_revocations", load)
        publish(tmp_path, 2, **both)
        path.unlink()
        return load(path)

    monkeypatch.setattr(watcher, "load_revocations", lose)
    watched.poll()
    assert not watched.is_loaded
    watched.poll()
    assert watched.is_loaded
    assert errors(caplog) == []


def test_a_file_that_outgrew_the_plain_form_is_followed_into_the_packed_one(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    publish(tmp_path, 1, routes_yaml=routes_text(1).encode())
    watched.poll()
    packed = gzip.compress(routes_text(2, CHAT | {"prefix": "/room"}).encode())
    publish(tmp_path, 2, routes_yaml_gz=packed)
    watched.poll()
    assert [file.version for file in watched.routes] == [1, 2]


@on_both_loops
async def test_a_file_system_that_hangs_holds_up_neither_the_loop_nor_the_exit(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs, released = threading.Event(), threading.Event()

    def hang(path: Path) -> None:
        hangs.set()
        released.wait()

    monkeypatch.setattr(watcher, "fingerprint_of", hang)
    async with asyncio.TaskGroup() as tasks:
        polling = tasks.create_task(watched.watcher.run())
        await eventually(hangs.is_set)
        polling.cancel()
    looking = [thread for thread in threading.enumerate() if thread.name == "snapshot"]
    assert {thread.daemon for thread in looking} == {True}
    released.set()


@on_both_loops
async def test_it_polls_until_it_is_cancelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher, "POLL_SECONDS", 0.005)
    watched = Watched(tmp_path)
    async with asyncio.TaskGroup() as tasks:
        polling = tasks.create_task(watched.watcher.run())
        for version in (1, 2):
            watched.write_routes(routes_text(version, CHAT | {"prefix": f"/v{version}"}))
            watched.write_revocations(revocations_text(version))
            await eventually(functools.partial(watched.has_routes, version))
        await eventually(lambda: watched.is_loaded)
        polling.cancel()
    assert [file.version for file in watched.routes] == [1, 2]


def test_a_file_that_the_system_could_not_read_is_read_again(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched.write_revocations(revocations_text(2, ALICE))

    def exhausted(path: Path, mode: str) -> None:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", exhausted)
        watched.poll()
    watched.poll()
    assert [record_of_member(each).subject for each in watched.revocations[-1].members] == ["alice"]


def test_whatever_the_callback_does_the_watcher_goes_on(watched: Watched, tmp_path: Path) -> None:
    def fail(file: RoutesFile) -> None:
        raise TypeError("unforeseen")

    failing = SnapshotWatcher(tmp_path / "routes.yaml", fail, lambda file: None, watched.metrics)
    asyncio.run(failing.poll())
    assert not failing.has("routes")
    assert watched.sample(FAILURES, "routes") == 1
