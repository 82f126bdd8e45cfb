"""A NATS server from a wheel, which speaks WebSocket by itself."""

import sys
from pathlib import Path
from typing import Self

from e2e.daemon import Daemon, free_port

START_SECONDS = 10.0
READY = "Server is ready"


class NATSServer:
    """`with NATSServer(folder) as server`; it listens at url again after each start."""

    def __init__(self, folder: Path) -> None:
        self._port = free_port()
        config = folder / "nats.conf"
        config.write_text(
            f"listen: 127.0.0.1:{free_port()}\n"
            f"websocket {{host: 127.0.0.1, port: {self._port}, no_tls: true, compression: true}}\n"
        )
        program = Path(sys.executable).with_name("nats-server")
        self.daemon = Daemon("nats-server", [program, "-c", config], folder)

    @property
    def daemons(self) -> tuple[Daemon, ...]:
        """For their logs."""
        return (self.daemon,)

    @property
    def url(self) -> str:
        """Of its WebSocket listener."""
        return f"ws://127.0.0.1:{self._port}/"

    def start(self) -> None:
        """Start it and wait until it listens."""
        earlier = self.daemon.text().count(READY)
        self.daemon.start()
        self.daemon.wait(lambda: self.daemon.text().count(READY) > earlier, "ready", START_SECONDS)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.daemon.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.daemon.stop()
