"""The gateway in standalone mode, with an echo upstream: for tests that need no cluster."""

import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import websockets.sync.server
import yaml
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection

from e2e.daemon import free_port
from e2e.objects import wsroute
from e2e.processes import Component
from wsgate_cli.devkey import DevelopmentKey, provider

TOKEN_SECONDS = 3600


class Standalone(Component):
    """`with Standalone(folder, environ) as gateway`: ready, with the routes that were given."""

    def __init__(self, folder: Path, environ: Mapping[str, str], routes: Mapping[str, Mapping[str, Any]]) -> None:
        """routes: further fields of each by its name, which is its prefix too."""
        self.key = DevelopmentKey.create()
        self.port, admin_port = free_port(), free_port()
        self._echo = websockets.sync.server.serve(_echo, "127.0.0.1", 0)
        self._thread = threading.Thread(target=self._echo.serve_forever, name="echo", daemon=True)
        upstream = f"ws://127.0.0.1:{self._echo.socket.getsockname()[1]}"
        objects = folder / "objects"
        objects.mkdir()
        for name, fields in routes.items():
            spec = {
                "prefix": f"/{name}",
                "upstream": upstream,
                "auth": {"providers": [provider(self.key)]},
                **fields,
            }
            (objects / f"{name}.yaml").write_text(yaml.safe_dump(wsroute("default", name, **spec)))
        command = ["wsgate_cli", "standalone", "--config", str(objects), "--state-dir", str(folder / "state")]
        command += ["--listen", f"127.0.0.1:{self.port}", "--admin-listen", f"127.0.0.1:{admin_port}"]
        super().__init__("standalone", folder, environ, admin_port, command)

    def __enter__(self) -> Self:
        self._thread.start()
        self.start()
        self.wait_ready()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._echo.shutdown()
        self._thread.join()

    def token(self, subject: str = "alice") -> str:
        """A token that every route accepts."""
        return self.key.token({"sub": subject}, int(time.time()), TOKEN_SECONDS)


def _echo(connection: ServerConnection) -> None:
    # The gateway may leave in the middle of a message, and that is no fault here.
    with suppress(ConnectionClosed):
        for message in connection:
            connection.send(message)
