"""Processes that the benchmark starts, watches through the kernel and stops by pid."""

import http.client
import os
import resource
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

FILES_MIN = 12_000
"""Twice the idle sessions, since a gateway has two sockets for each, and some to spare."""

READY_SECONDS_MAX = 20
STOP_SECONDS_MAX = 5
POLL_SECONDS = 0.02
LOG_TAIL_BYTES = 2000


def prepare() -> None:
    """For a benchmark's own process: enough files, and an end by SIGTERM that stops all that it started."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < FILES_MIN:
        raise SystemExit(f"ulimit -n allows {hard} files, {FILES_MIN} are needed")
    if soft < FILES_MIN:
        resource.setrlimit(resource.RLIMIT_NOFILE, (FILES_MIN, hard))
    signal.signal(signal.SIGTERM, _stop)


def _stop(_signal: int, _frame: object) -> None:
    # As an exception, so that everything started is stopped on the way out.
    raise SystemExit("stopped by a signal")


class ProcessFailed(Exception):
    """A process of ours did not become ready, ended early or fell silent."""


@dataclass(frozen=True)
class Program:
    """What to start and how to tell that it is ready."""

    command: list[str]
    is_ready: Callable[[], bool]
    environment: dict[str, str]


@dataclass(frozen=True)
class Process:
    """A running process with its children; its output goes to a file."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path

    def pids(self) -> list[int]:
        """The process and all that descend from it."""
        found = [self.popen.pid]
        parents = _parents()
        for pid in found:
            found += [child for child, parent in parents.items() if parent == pid]
        return found

    def cpu_seconds(self) -> float:
        """utime + stime, of the live processes: what /proc/PID/stat says in ticks of 10 ms, in nanoseconds."""
        # clock_getcpuclockid(3): the clock of another process is made of the inverted pid and CPUCLOCK_SCHED.
        return sum(time.clock_gettime((~pid << 3) | 2) for pid in self.pids())

    def memory_kib(self) -> int:
        """Anonymous memory, pages shared by fork divided among the sharers (Pss_Anon)."""
        return sum(_pss_anon_kib(pid) for pid in self.pids())

    def last_words(self) -> str:
        return self.log.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace").strip()


def _parents() -> dict[int, int]:
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            with suppress(OSError):
                # The name in parentheses may itself hold spaces and parentheses.
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    return parents


def _pss_anon_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss_Anon:"):
            return int(line.split()[1])
    raise ProcessFailed("this kernel has no Pss_Anon in smaps_rollup (Linux 5.3 or newer is needed)")


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def accepts(port: int) -> bool:
    """Somebody listens."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def answers_200(port: int, path: str) -> bool:
    """An HTTP GET is answered with 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


@contextmanager
def started(name: str, program: Program, folder: Path) -> Iterator[Process]:
    """A process that is ready; stopped with its children at the end, whatever happens."""
    log = folder / f"{name}.log"
    environment = {"PATH": os.environ["PATH"]} | program.environment
    with log.open("wb") as output:
        popen = subprocess.Popen(
            program.command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, cwd=folder
        )
    process = Process(name, popen, log)
    try:
        _wait_until_ready(process, program.is_ready)
        yield process
    finally:
        stop(process)


def _wait_until_ready(process: Process, is_ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + READY_SECONDS_MAX
    while not is_ready():
        if process.popen.poll() is not None:
            raise ProcessFailed(f"{process.name} ended at once: {process.last_words()}")
        if time.monotonic() > deadline:
            raise ProcessFailed(f"{process.name} is not ready after {READY_SECONDS_MAX} s: {process.last_words()}")
        time.sleep(POLL_SECONDS)


def stop(process: Process) -> None:
    """SIGTERM, then SIGKILL; children that outlive their parent are killed too."""
    pids = process.pids() if process.popen.poll() is None else []
    process.popen.terminate()
    try:
        process.popen.wait(STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.popen.kill()
        process.popen.wait()
        for pid in pids[1:]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


class Conversation:
    """A process that reports stages: a line from it, a line to it."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def next_line(self, timeout_seconds: float) -> bytes:
        """What it reports."""
        output = self._process.popen.stdout
        assert output is not None
        is_readable = bool(select.select([output], [], [], timeout_seconds)[0])
        line = output.readline() if is_readable else b""
        if not line:
            words = self._process.last_words() or "no last words"
            raise ProcessFailed(f"{self._process.name} {'ended' if is_readable else 'hangs'}: {words}")
        return line

    def go(self) -> None:
        """Let it go on."""
        commands = self._process.popen.stdin
        assert commands is not None
        commands.write(b"go\n")

    def finish(self, timeout_seconds: float) -> None:
        """Let it go on to its end, which must be a good one."""
        self.go()
        try:
            status = self._process.popen.wait(timeout_seconds)
        except subprocess.TimeoutExpired as error:
            raise ProcessFailed(f"{self._process.name} does not end") from error
        if status:
            raise ProcessFailed(f"{self._process.name} failed: {self._process.last_words()}")


@contextmanager
def talking(name: str, command: list[str], environment: dict[str, str], folder: Path) -> Iterator[Conversation]:
    """A process to talk with by lines."""
    log = folder / f"{name}.log"
    pipe = subprocess.PIPE
    with log.open("wb") as errors:
        popen = subprocess.Popen(
            command, bufsize=0, stdin=pipe, stdout=pipe, stderr=errors, cwd=folder,
            env={"PATH": os.environ["PATH"]} | environment,
        )  # fmt: skip
    process = Process(name, popen, log)
    with popen:
        try:
            yield Conversation(process)
        finally:
            stop(process)
