"""The Redis of the revocation log, with the users that manifests/ ship."""

from collections.abc import Sequence
from pathlib import Path

import redis
from tests.support.valkey import ValkeyServer

USERS = Path(__file__).parent.parent / "manifests/components/trial-redis/users.acl"
TESTER = "tester"


class RevocationRedis:
    """A ValkeyServer whose operator and data planes are the least-privileged users of the trial."""

    def __init__(self, folder: Path, options: Sequence[str] = ()) -> None:
        users = folder / "users.acl"
        users.write_text(f"{USERS.read_text().rstrip()}\nuser {TESTER} on >{TESTER} ~* &* +@all\n")
        self.server = ValkeyServer(folder, ["--aclfile", str(users), *options])

    @property
    def operator_url(self) -> str:
        """For WSGATE_REVOCATION_REDIS_URL of the operator."""
        return self._url("operator")

    @property
    def dataplane_url(self) -> str:
        """For WSGATE_REVOCATION_REDIS_URL of a data plane."""
        return self._url("dataplane")

    def client(self) -> redis.Redis:
        """A blocking client that may do everything, for arranging and looking."""
        return redis.Redis(
            port=self.server.port, username=TESTER, password=TESTER, decode_responses=True, socket_timeout=5
        )

    def _url(self, user: str) -> str:
        return f"redis://{user}:trial-{user}@127.0.0.1:{self.server.port}/0"
