"""Behind nginx and HAProxy: who the client is, sessions that are idle, and the words at the end."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import websockets.asyncio.client
from websockets.exceptions import InvalidHandshake, InvalidMessage

from e2e.client import asynchronous, closed, echoes
from e2e.daemon import Daemon, free_port, wait_until
from e2e.proxies import KINDS, TIMEOUT_SECONDS, proxy
from e2e.standalone import EchoingStandalone

CLIENT = "127.0.0.7"
"""Where the client connects from; the proxies connect from 127.0.0.1."""
ROUTES: dict[str, dict[str, Any]] = {
    "pinged": {"timeouts": {"pingSeconds": 1}},
    "quiet": {"timeouts": {"pingSeconds": 300, "idleSeconds": 600}},
}
SEVERAL_TIMEOUTS = 3 * TIMEOUT_SECONDS
GOOD = [name for name in KINDS if name != "haproxy-silent"]


class Site:
    """A gateway and the proxy before it."""

    def __init__(self, gateway: EchoingStandalone, front: Daemon, port: int) -> None:
        self.gateway = gateway
        self.front = front
        self.port = port

    def connect(self, path: str, **options: Any) -> websockets.asyncio.client.connect:
        """A client of the proxy that sends no Ping of its own."""
        return websockets.asyncio.client.connect(
            f"ws://127.0.0.1:{self.port}{path}",
            additional_headers={"Authorization": f"Bearer {self.gateway.token()}"},
            local_addr=(CLIENT, 0),
            ping_interval=None,
            proxy=None,
            **options,
        )

    def accepts(self) -> bool:
        """Whether the proxy listens."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@contextmanager
def site(name: str, folder: Path) -> Iterator[Site]:
    """Both, running."""
    kind, port = KINDS[name], free_port()
    environ = {"GRACEFUL_DRAIN_TIMEOUT_SECONDS": "3", **kind.environ}
    with EchoingStandalone(folder, environ, ROUTES) as gateway:
        front = proxy(kind, folder, port, gateway.port)
        found = Site(gateway, front, port)
        front.start()
        try:
            front.wait(found.accepts, "listens", 10)
            yield found
        except BaseException as error:
            error.add_note(f"last words of the proxy:\n{front.tail()}")
            error.add_note(f"last words of the gateway:\n{gateway.daemon.tail()}")
            raise
        finally:
            front.kill()


@pytest.fixture(autouse=True, scope="session")
def _programs(get_programs: Callable[..., None]) -> None:
    get_programs("haproxy")


@pytest.mark.parametrize("name", GOOD)
@asynchronous
async def test_a_session_through_a_proxy_is_its_clients(name: str, tmp_path: Path) -> None:
    with site(name, tmp_path) as found:
        async with found.connect("/pinged") as client:
            assert await echoes(client)
            assert await echoes(client, "x" * 100_000)
        wait_until(lambda: bool(found.gateway.logged("session ended")), "the session is told")
        (ended,) = found.gateway.logged("session ended")
        assert ended["address"] == CLIENT


@pytest.mark.parametrize("name", GOOD)
@asynchronous
async def test_an_idle_session_outlives_the_proxys_timeout_because_the_gateway_pings(
    name: str, tmp_path: Path
) -> None:
    with site(name, tmp_path) as found:
        async with found.connect("/pinged") as pinged, found.connect("/quiet") as quiet:
            assert await echoes(pinged) and await echoes(quiet)
            with pytest.raises(TimeoutError):
                await closed(pinged, SEVERAL_TIMEOUTS)
            # Without Pings the same proxy has cut it by now.
            assert (await closed(quiet, 0.1)).code == 1006
            assert await echoes(pinged)
        # Many of its health checks were answered meanwhile.
        assert "DOWN" not in found.front.text()


@pytest.mark.parametrize("name", GOOD)
@asynchronous
async def test_the_close_code_of_a_drain_passes_through(name: str, tmp_path: Path) -> None:
    with site(name, tmp_path) as found:
        async with found.connect("/pinged") as client:
            assert await echoes(client)
            stopping = asyncio.ensure_future(asyncio.to_thread(found.gateway.stop))
            ended = await closed(client)
            assert (ended.code, ended.reason) == (1012, "service restart")
            assert await stopping == 0


@asynchronous
async def test_a_proxy_that_says_nothing_of_its_clients_is_told_so(tmp_path: Path) -> None:
    with site("haproxy-silent", tmp_path) as found:
        with pytest.raises((InvalidHandshake, InvalidMessage, ConnectionError, EOFError)):
            async with found.connect("/pinged"):
                pass
        wait_until(lambda: bool(found.gateway.logged("PROXY protocol header refused")), "the log tells it")
        detail = found.gateway.logged("PROXY protocol header refused")[0]["detail"]
        assert detail.startswith("expected a PROXY protocol header from 127.0.0.1, but it begins with")
        # Nor are its health checks answered.
        wait_until(lambda: "DOWN" in found.front.text(), "the proxy holds the gateway to be down")
