"""The gateway without a cluster: `wsgate standalone` as a process, on a folder of YAML."""

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

from e2e.daemon import Daemon, wait_until
from e2e.objects import tokenrevocation, wsroute
from e2e.processes import Serving
from wsgate_cli.devkey import DevelopmentKey, provider

NAMESPACE = "default"
TOKEN_SECONDS = 3600


class Standalone(Serving):
    """`with Standalone(folder, ...) as gateway`; objects may be written before and while it runs."""

    def __init__(self, folder: Path, environ: Mapping[str, str] | None = None) -> None:
        """Settings beside the usual ones."""
        self._objects = folder / "objects"
        self._objects.mkdir()
        # An upstream that cannot be reached is told at once, and a test's end waits for no session.
        settings = {"WS_DIAL_RETRY_MAX": "0", "GRACEFUL_DRAIN_TIMEOUT_SECONDS": "0", **(environ or {})}
        places = ["--config", str(self._objects), "--state-dir", str(folder / "state")]
        super().__init__("standalone", folder, settings, ["wsgate_cli", "standalone", *places])

    @property
    def daemons(self) -> tuple[Daemon, ...]:
        """For their logs."""
        return (self.daemon,)

    def __enter__(self) -> Self:
        self.start()
        try:
            self.wait_ready()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def route(self, name: str, **spec: Any) -> None:
        """Write a WsRoute, by default with its name as prefix; wait until it is served, where the gateway runs."""
        self._write(wsroute(NAMESPACE, name, **{"prefix": f"/{name}", **spec}))
        if self.daemon.is_running:
            wait_until(lambda: self._serves(name), f"/{name} is served")

    def revoke(self, name: str, **spec: Any) -> None:
        """Write a TokenRevocation; nothing is waited for."""
        self._write(tokenrevocation(NAMESPACE, name, **spec))

    def write(self, name: str, text: str) -> None:
        """Put a file into the folder by rename, as editors do: the gateway never sees half of it."""
        draft = self._objects / f".{name}"
        draft.write_text(text)
        draft.rename(self._objects / name)

    def remove(self, name: str) -> None:
        """Delete a file of the folder."""
        (self._objects / name).unlink()

    def _serves(self, name: str) -> bool:
        _, document = self.admin(f"/admin/routes?route={NAMESPACE}/{name}")
        return bool(document["items"])

    def _write(self, document: dict[str, Any]) -> None:
        self.write(f"{document['kind'].lower()}-{document['metadata']['name']}.yaml", yaml.safe_dump(document))


class EchoingStandalone(Standalone):
    """A Standalone with an upstream of its own, for tests in whose event loop none can run."""

    def __init__(self, folder: Path, environ: Mapping[str, str], routes: Mapping[str, Mapping[str, Any]]) -> None:
        """routes: further fields of each by its name, which is its prefix too."""
        super().__init__(folder, environ)
        self.key = DevelopmentKey.create()
        self._echo = websockets.sync.server.serve(_echo, "127.0.0.1", 0)
        self._thread = threading.Thread(target=self._echo.serve_forever, name="echo", daemon=True)
        upstream = f"ws://127.0.0.1:{self._echo.socket.getsockname()[1]}"
        for name, fields in routes.items():
            self.route(name, **{"upstream": upstream, "auth": {"providers": [provider(self.key)]}, **fields})

    def __enter__(self) -> Self:
        self._thread.start()
        return super().__enter__()

    def __exit__(self, *failure: object) -> None:
        super().__exit__(*failure)
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
