"""A client of one data plane or of the Service before them."""

import json
import queue
import socket
import threading
import time
from dataclasses import dataclass
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

HOST = "shop.example.com"
PATH = "/echo"
PORT = 8080
CONNECT_SECONDS = 5.0
ECHO_SECONDS = 5.0


@dataclass(frozen=True)
class End:
    """How a session ended; code None: without a Close."""

    code: int | None
    reason: str
    at: float
    """time.monotonic()"""


@dataclass(frozen=True)
class Refusal:
    """An HTTP answer instead of a 101."""

    status: int
    reason: str


class Session:
    """An open session; a thread reads, so that its end is noticed when it comes."""

    def __init__(self, address: str, token: str) -> None:
        """Open it; raises OSError or websockets' InvalidHandshake."""
        self._messages: queue.SimpleQueue[str | bytes] = queue.SimpleQueue()
        self._end: End | None = None
        self._connection = open_connection(address, token)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    @property
    def is_open(self) -> bool:
        """Whether it has not ended."""
        return self._thread.is_alive()

    def echoes(self, text: str = "hello") -> bool:
        """Whether a message comes back."""
        self._connection.send(text)
        return self._messages.get(timeout=ECHO_SECONDS) == text

    def end(self, seconds: float) -> End:
        """Wait for its end."""
        self._thread.join(seconds)
        assert self._end is not None, f"the session did not end within {seconds} s"
        return self._end

    def close(self) -> None:
        """Leave."""
        self._connection.close()

    def _read(self) -> None:
        try:
            while True:
                self._messages.put(self._connection.recv())
        except ConnectionClosed as closed:
            at, frame = time.monotonic(), closed.rcvd
            self._end = End(None, "", at) if frame is None else End(frame.code, frame.reason, at)


def open_connection(address: str, token: str) -> ClientConnection:
    """A handshake with one address; raises OSError or websockets' InvalidHandshake."""
    stream = socket.create_connection((address, PORT), CONNECT_SECONDS)
    headers = {"Authorization": f"Bearer {token}"}
    return connect(f"ws://{HOST}{PATH}", sock=stream, additional_headers=headers, open_timeout=CONNECT_SECONDS)


def refusal(address: str, token: str) -> Refusal:
    """The answer to a handshake that is refused; fails where it is not."""
    try:
        open_connection(address, token).close()
    except InvalidStatus as error:
        problem: dict[str, Any] = json.loads(error.response.body or b"{}")
        return Refusal(error.response.status_code, str(problem.get("reason")))
    raise AssertionError("the session was opened")
