"""LiveKit's server, and as much of its signalling as a client says to join a room."""

import base64
import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any, Self

import yaml

from e2e.daemon import Daemon, free_port

KEY, SECRET = "the-key", "the-secret-of-livekit-has-32-bytes-or-more"
TOKEN_SECONDS = 3600
PROTOCOL = 15
"""Version of the signalling."""


class LiveKit:
    """`with LiveKit(part, folder) as server`: the part livekit; clients join at url."""

    START_SECONDS = 30.0

    def __init__(self, part: Path, folder: Path) -> None:
        self._port = free_port()
        config = folder / "livekit.yaml"
        # No media flows in the tests; its ports are only not to collide.
        rtc = {"tcp_port": free_port(), "udp_port": free_port(), "node_ip": "127.0.0.1", "use_external_ip": False}
        document = {"port": self._port, "bind_addresses": ["127.0.0.1"], "keys": {KEY: SECRET}, "rtc": rtc}
        config.write_text(yaml.safe_dump(document))
        self.daemon = Daemon("livekit", [part / "livekit-server", "--config", config], folder)

    @property
    def daemons(self) -> tuple[Daemon, ...]:
        """For their logs."""
        return (self.daemon,)

    @property
    def url(self) -> str:
        """Where its clients signal."""
        return f"ws://127.0.0.1:{self._port}/rtc"

    def __enter__(self) -> Self:
        self.daemon.start()
        try:
            started = "starting LiveKit server"
            self.daemon.wait(lambda: started in self.daemon.text(), "started", self.START_SECONDS)
        except BaseException:
            self.daemon.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.daemon.stop()


def access_token(identity: str, room: str) -> str:
    """LiveKit's own: signed with the secret that the application shares with it (RFC 7515, HS256)."""
    now = int(time.time())
    claims = {"iss": KEY, "sub": identity, "nbf": now - 5, "exp": now + TOKEN_SECONDS}
    grants = {"video": {"room": room, "roomJoin": True}}
    signed = ".".join(_base64url(json.dumps(part).encode()) for part in ({"alg": "HS256"}, {**claims, **grants}))
    signature = hmac.digest(SECRET.encode(), signed.encode(), hashlib.sha256)
    return f"{signed}.{_base64url(signature)}"


def ping(milliseconds: int) -> str:
    """A SignalRequest, whose answer is a SignalResponse with pongResp."""
    document: dict[str, Any] = {"pingReq": {"timestamp": str(milliseconds), "rtt": "0"}}
    return json.dumps(document)


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
