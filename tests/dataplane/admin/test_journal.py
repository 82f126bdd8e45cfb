"""What append() returned for is there after a crash; what cannot be kept is said."""

import asyncio
import errno
import logging
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.loops import on_both_loops
from wsgate_contract.revocation import RevocationRecord
from wsgate_contract.revocation_log import member_of
from wsgate_dataplane.admin import journal as module
from wsgate_dataplane.admin.journal import JOURNAL, JournalError, RevocationJournal, default_state_folder

NOW = 1000.0


def record(name: str = "1", expires_at: int | None = 2000) -> RevocationRecord:
    return RevocationRecord(id=f"event:{name}", subject="alice\u0000\u2028ü", expires_at=expires_at)


def opened(folder: Path, now: float = NOW) -> RevocationJournal:
    return RevocationJournal.open(folder, lambda: now)


def written(folder: Path, *records: RevocationRecord, tail: bytes = b"") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / JOURNAL
    path.write_bytes(b"".join(member_of(each).encode() + b"\n" for each in records) + tail)
    return path


def loaded(folder: Path, now: float = NOW) -> list[str]:
    journal = opened(folder, now)
    journal.close()
    return [each.id.removeprefix("event:") for each in journal.load()]


@on_both_loops
async def test_an_appended_record_is_read_back_by_the_next_process_as_it_was(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    assert journal.load() == ()
    await journal.append(record("1"))
    await journal.append(record("2", None))
    assert journal.load() == (record("1"), record("2", None))
    journal.close()
    again = opened(tmp_path)
    assert again.load() == (record("1"), record("2", None))
    again.close()


@on_both_loops
async def test_a_record_is_synced_to_the_disk_before_append_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = opened(tmp_path)
    synced: list[bytes] = []
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        fsync(descriptor)
        synced.append((tmp_path / JOURNAL).read_bytes())

    monkeypatch.setattr(os, "fsync", watched)
    await journal.append(record())
    assert synced == [member_of(record()).encode() + b"\n"]
    journal.close()


@on_both_loops
async def test_many_appends_at_once_are_all_kept(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    names = [str(number) for number in range(50)]
    await asyncio.gather(*(journal.append(record(name)) for name in names))
    journal.close()
    assert sorted(loaded(tmp_path)) == sorted(names)


def test_an_expired_record_is_dropped_from_memory_and_at_the_next_start_from_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, record("old", 1000), record("new", 1001), record("ever", None))
    assert loaded(tmp_path) == ["new", "ever"]
    assert b"old" not in path.read_bytes()
    assert loaded(tmp_path, now=1001) == ["ever"]


@pytest.mark.parametrize(
    "tail",
    [b'{"id":"event:2","sub', b"\0" * 100, b"\xff\xfe", b'{"id":"event:2"', b"\0" * 50 + b"\n", b"{}\n"],
    ids=["cut", "zeros", "not text", "cut at the end", "zeros with a newline", "no record"],
)
def test_a_torn_last_line_is_dropped_with_a_warning_and_the_rest_is_kept(
    tmp_path: Path, tail: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    written(tmp_path, record("1"), tail=tail)
    logging.getLogger("wsgate").propagate = True
    assert loaded(tmp_path) == ["1"]
    assert {each.message for each in caplog.records} == {"unfinished revocation dropped"}
    caplog.clear()
    assert loaded(tmp_path) == ["1"]
    assert caplog.records == []


def test_a_broken_line_in_the_middle_is_an_error_since_a_token_would_be_admitted(tmp_path: Path) -> None:
    path = written(tmp_path, record("1"), tail=b'garbage\n{"id":"event:2"}\n')
    content = path.read_bytes()
    with pytest.raises(JournalError, match=r"line 2: .*mend or delete that line"):
        opened(tmp_path)
    assert path.read_bytes() == content
    # The lock is not kept by the attempt.
    written(tmp_path, record("1"))
    assert loaded(tmp_path) == ["1"]


def test_a_line_of_a_newer_version_is_an_error_too(tmp_path: Path) -> None:
    written(tmp_path, tail=b'{"id":"event:2","sinceTheFuture":1}\n' + member_of(record()).encode() + b"\n")
    with pytest.raises(JournalError, match="line 1"):
        opened(tmp_path)


def test_nobody_else_can_read_the_records(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "state"
    journal = opened(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    journal.close()


def test_a_file_that_others_could_read_is_replaced_by_one_that_they_cannot(tmp_path: Path) -> None:
    path = written(tmp_path, record())
    path.chmod(0o644)
    assert loaded(tmp_path) == ["1"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_two_processes_cannot_have_one_folder(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    program = (
        "import sys; from pathlib import Path; from wsgate_dataplane.admin.journal import RevocationJournal;"
        "RevocationJournal.open(Path(sys.argv[1]), lambda: 0.0)"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    other = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert other.returncode == 1
    assert "another gateway uses it; give each its own --state-dir" in other.stderr
    journal.close()
    assert subprocess.run(command, timeout=30, check=False).returncode == 0


def test_a_killed_process_leaves_its_folder_to_the_next(tmp_path: Path) -> None:
    program = (
        "import asyncio, os, sys; from pathlib import Path;"
        "from wsgate_contract.revocation import RevocationRecord as R;"
        "from wsgate_dataplane.admin.journal import RevocationJournal as J;"
        "asyncio.run(J.open(Path(sys.argv[1]), lambda: 0.0).append(R(id='event:1', subject='alice')));"
        "os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(tmp_path)], timeout=30, check=False)
    assert killed.returncode == -9
    assert loaded(tmp_path) == ["1"]


@on_both_loops
async def test_a_failed_write_is_told_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = opened(tmp_path)
    await journal.append(record("1"))
    before = (tmp_path / JOURNAL).read_bytes()
    pwrite = os.pwrite

    def half_then_full(descriptor: int, content: bytes, offset: int) -> int:
        pwrite(descriptor, content[:10], offset)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", half_then_full)
    with pytest.raises(JournalError, match="No space left"):
        await journal.append(record("a-longer-name"))
    monkeypatch.undo()
    assert (tmp_path / JOURNAL).read_bytes() == before
    assert journal.load() == (record("1"),)
    await journal.append(record("3"))
    journal.close()
    assert loaded(tmp_path) == ["1", "3"]


@on_both_loops
async def test_a_failed_sync_is_told_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = opened(tmp_path)

    def broken(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(JournalError, match="Input/output error; check the disk"):
        await journal.append(record("1"))
    monkeypatch.undo()
    journal.close()
    assert loaded(tmp_path) == []


@on_both_loops
async def test_a_short_write_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = opened(tmp_path)
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda descriptor, content, offset: pwrite(descriptor, content[:7], offset))
    await journal.append(record("1"))
    journal.close()
    assert loaded(tmp_path) == ["1"]


@on_both_loops
async def test_a_full_journal_makes_room_by_dropping_what_expired_and_else_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RECORDS_MAX", 2)
    now = [1000.0]
    journal = RevocationJournal.open(tmp_path, lambda: now[0])
    await journal.append(record("1", 1500))
    await journal.append(record("2", 3000))
    with pytest.raises(JournalError, match="2 revocations are in force already"):
        await journal.append(record("3", 3000))
    now[0] = 1500.0
    await journal.append(record("4", 3000))
    assert [each.id for each in journal.load()] == ["event:2", "event:4"]
    journal.close()
    assert loaded(tmp_path) == ["2", "4"]


@on_both_loops
async def test_a_closed_journal_takes_nothing(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.close()
    journal.close()
    with pytest.raises(JournalError, match="closed"):
        await journal.append(record())


def test_a_folder_that_cannot_be_made_is_named_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match="file/state: Not a directory; give a folder"):
        opened(tmp_path / "file" / "state")


def test_a_link_in_place_of_the_file_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    target.write_text("precious")
    folder = tmp_path / "state"
    folder.mkdir()
    (folder / JOURNAL).symlink_to(target)
    with pytest.raises(JournalError, match=JOURNAL):
        opened(folder)
    assert target.read_text() == "precious"


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    opened(tmp_path).close()
    written(tmp_path, tail=b"x\ny\nz\n")
    with pytest.raises(JournalError):
        opened(tmp_path)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"XDG_STATE_HOME": "/var/state"}, Path("/var/state/wsgate")),
        ({}, Path.home() / ".local/state/wsgate"),
        ({"XDG_STATE_HOME": ""}, Path.home() / ".local/state/wsgate"),
        ({"XDG_STATE_HOME": "relative"}, Path.home() / ".local/state/wsgate"),
    ],
)
def test_the_default_folder_follows_the_xdg_specification(environ: dict[str, str], folder: Path) -> None:
    assert default_state_folder(environ) == folder
