"""A process that a test starts, stops, kills and reads."""

import os
import random
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

POLL_SECONDS = 0.05
STOP_SECONDS = 10.0
TAIL_BYTES = 4000
PORTS = range(20_000, 32_000)


class Daemon:
    """One process; what it prints is appended to a file over all its starts."""

    def __init__(
        self, name: str, command: Sequence[str | Path], folder: Path, environ: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self.environ = dict(environ or {})
        """Set beside the environment of the tests; a change counts from the next start on."""
        self._command = [str(word) for word in command]
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def descriptors(self) -> int:
        """How many files and sockets it has open."""
        assert self._process is not None, f"{self.name} was not started"
        return len(os.listdir(f"/proc/{self._process.pid}/fd"))

    def start(self) -> None:
        """Start it; nothing is waited for."""
        assert not self.is_running, f"{self.name} runs already"
        # A session of its own: Ctrl-C is for the tests, which then stop it.
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._folder,
                env={**os.environ, **self.environ},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def stop(self) -> int:
        """SIGTERM, and SIGKILL after STOP_SECONDS; the exit status."""
        return self._end(subprocess.Popen.terminate)

    def kill(self) -> int:
        """SIGKILL: it can tidy nothing."""
        return self._end(subprocess.Popen.kill)

    def text(self) -> str:
        """All that it has printed."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def tail(self) -> str:
        """The last of what it has printed."""
        return self.text()[-TAIL_BYTES:]

    def wait(self, is_true: Callable[[], bool], what: str, seconds: float) -> None:
        """Wait for a condition; fails at once when the process ends."""

        def check() -> bool:
            assert self.is_running, f"{self.name} has ended:\n{self.tail()}"
            return is_true()

        wait_until(check, f"{self.name}: {what}", seconds)

    def _end(self, by: Callable[[subprocess.Popen[bytes]], None]) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        by(process)
        try:
            return process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()


def wait_until(is_true: Callable[[], bool], what: str, seconds: float = 10) -> None:
    """Wait for a condition; fails with what after the deadline."""
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain: {what}"
        time.sleep(POLL_SECONDS)


def free_port(host: str = "127.0.0.1") -> int:
    """A TCP port that nobody listens at now, outside the range that outgoing connections take theirs from."""
    while True:
        port = random.choice(PORTS)
        with suppress(OSError), socket.create_server((host, port)):
            return port
