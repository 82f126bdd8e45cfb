"""Revocations that entered at this process, kept in a file: the inbox of a gateway without Redis."""

import asyncio
import fcntl
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from wsgate_contract.revocation import RevocationRecord
from wsgate_contract.revocation_log import INBOX_RECORDS_MAX, LogEntryError, member_of, record_of_member
from wsgate_dataplane.revocation.matching import is_in_force

log = logging.getLogger("wsgate")

JOURNAL = "revocations.jsonl"
LOCK = "revocations.lock"
RECORDS_MAX = INBOX_RECORDS_MAX
"""Records in force; one more is refused."""
FILE_MODE = 0o600
FOLDER_MODE = 0o700

_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW


class JournalError(Exception):
    """The journal cannot be used, or a record was not written; the text says why and the way out."""


def default_state_folder(environ: Mapping[str, str]) -> Path:
    """$XDG_STATE_HOME/wsgate; the specification ignores a relative path, and defaults to ~/.local/state."""
    base = Path(environ.get("XDG_STATE_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".local" / "state") / "wsgate"


class RevocationJournal:
    """One record a line, each on the disk before append() returns.

    One process at a time has it; opening drops the expired records, and what a crash left of a last line.
    """

    def __init__(self, folder: Path, clock: Callable[[], float], lock: int) -> None:
        """For open(); lock is the locked descriptor."""
        self._folder = folder
        self._clock = clock
        self._lock = lock
        self._records: dict[str, RevocationRecord] = {}
        self._file = -1
        self._end = 0
        self._lines = 0
        # A caller that gave up leaves its thread writing: the threads themselves take turns.
        self._turn = threading.Lock()

    @classmethod
    def open(cls, folder: Path, clock: Callable[[], float]) -> Self:
        """Make the folder if need be, lock and read; clock in Unix seconds. Raises JournalError."""
        with _named(folder, "give a folder that can be written by --state-dir"):
            folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            journal = cls(folder, clock, _locked(folder))
        try:
            with _named(folder / JOURNAL, "make it a file that this user can read and write"):
                journal._records = _read(folder / JOURNAL)
                journal._rewrite()
        except JournalError:
            journal.close()
            raise
        return journal

    def load(self) -> tuple[RevocationRecord, ...]:
        """The records in force, oldest first."""
        now = self._clock()
        # The copy takes one step of the interpreter, so no thread can append meanwhile.
        return tuple(record for record in tuple(self._records.values()) if is_in_force(record, now))

    async def append(self, record: RevocationRecord) -> None:
        """Return when the record is on the disk; raises JournalError, then the file is as before."""
        await asyncio.to_thread(self._append, record)

    def close(self) -> None:
        """Let another process have it."""
        with self._turn:
            for descriptor in (self._file, self._lock):
                if descriptor >= 0:
                    os.close(descriptor)
            self._file = self._lock = -1

    def _append(self, record: RevocationRecord) -> None:
        with self._turn:
            if self._file < 0:
                raise JournalError(f"{self._folder / JOURNAL}: closed")
            with _named(self._folder / JOURNAL, "check the disk"):
                if self._lines >= RECORDS_MAX:
                    self._rewrite()
                if self._lines >= RECORDS_MAX:
                    raise JournalError(f"{RECORDS_MAX} revocations are in force already; use TokenRevocations")
                self._write(_line(record))
            self._records[record.id] = record

    def _write(self, line: bytes) -> None:
        try:
            # Cut first: an attempt that failed may have left bytes, and so may its cut have failed.
            os.ftruncate(self._file, self._end)
            _write_whole(self._file, line, self._end)
            os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, self._end)
            raise
        self._end += len(line)
        self._lines += 1

    def _rewrite(self) -> None:
        """Replace the file by one with the records in force; the old one stays until the new one is whole."""
        self._records = {record.id: record for record in self.load()}
        content = b"".join(map(_line, self._records.values()))
        draft = self._folder / f".{JOURNAL}.draft"
        draft.unlink(missing_ok=True)
        file = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | _FLAGS, FILE_MODE)
        try:
            _write_whole(file, content, 0)
            os.fsync(file)
            os.replace(draft, self._folder / JOURNAL)
        except OSError:
            os.close(file)
            raise
        # From here on the old descriptor would write into a file without a name.
        if self._file >= 0:
            os.close(self._file)
        self._file, self._end, self._lines = file, len(content), len(self._records)
        _sync(self._folder)


@contextmanager
def _named(path: Path, advice: str) -> Iterator[None]:
    """Turn the system's error into one that names the path and the way out."""
    try:
        yield
    except OSError as error:
        raise JournalError(f"{path}: {error.strerror}; {advice}") from error


def _locked(folder: Path) -> int:
    # A file of its own: the journal itself is replaced, and a lock goes with the replaced one.
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | _FLAGS, FILE_MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise JournalError(f"{folder}: another gateway uses it; give each its own --state-dir") from None
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _read(path: Path) -> dict[str, RevocationRecord]:
    """A broken last line was never acknowledged; one before it was, so that to skip it would admit its token."""
    try:
        descriptor = os.open(path, os.O_RDONLY | _FLAGS)
    except FileNotFoundError:
        return {}
    with os.fdopen(descriptor, "rb") as file:
        *lines, torn = file.read().split(b"\n")
    records: dict[str, RevocationRecord] = {}
    for number, line in enumerate(lines, 1):
        try:
            record = record_of_member(line.decode("ascii"))
        except (LogEntryError, UnicodeDecodeError) as error:
            if number == len(lines) and not torn:
                torn = line
                break
            raise JournalError(f"{path}: line {number}: {error}; mend or delete that line") from error
        records[record.id] = record
    if torn:
        fields = {"file": str(path), "bytes": len(torn)}
        log.warning("unfinished revocation dropped", extra={"fields": fields})
    return records


def _line(record: RevocationRecord) -> bytes:
    return member_of(record).encode("ascii") + b"\n"


def _write_whole(file: int, content: bytes, offset: int) -> None:
    while content:
        written = os.pwrite(file, content, offset)
        content, offset = content[written:], offset + written


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
