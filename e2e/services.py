"""What stands around the gateway: a token issuer with its JWKS server, echo upstreams, an MQTT broker."""

import asyncio
import socket
import ssl
import threading
import time
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any, Self

import websockets.asyncio.server
from aiohttp import web
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from e2e.certificates import Authority
from e2e.daemon import Daemon, free_port
from e2e.programs import program
from wsgate_cli.devkey import AUDIENCE, ISSUER, DevelopmentKey

START_SECONDS = 10.0
TOKEN_SECONDS = 3600
SECURED_NAME = "upstream.test"


def own_address() -> str:
    """An address of this machine beside loopback, which a data plane in a cluster never dials.

    Loopback where there is no other.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Connecting a datagram socket sends nothing; it only asks the routing table (RFC 5737 address).
            probe.connect(("198.51.100.1", 9))
        except OSError:
            return "127.0.0.1"
        address: str = probe.getsockname()[0]
        return address


class Services:
    """`with Services(folder) as services`; they run in a thread and a process of their own."""

    def __init__(self, folder: Path) -> None:
        self.host = own_address()
        self.key = DevelopmentKey.create()
        self.echoed: list[websockets.Request] = []
        """The handshakes that the echo upstream has seen."""
        self.echo_url = ""
        self.authority = Authority(_made(folder / "pki"))
        """Signs the certificates of the upstream that asks for one, and of its clients."""
        self.secured_url = ""
        """Of an echo upstream called SECURED_NAME that insists on a client certificate."""
        self.shown: list[str] = []
        """The common names of its clients."""
        self.jwks_url = ""
        self.mqtt_port = free_port(self.host)
        self.mosquitto = Daemon("mosquitto", _mosquitto(folder, self.host, self.mqtt_port), folder)
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._stopped = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="services", daemon=True)

    @property
    def mqtt_url(self) -> str:
        """The broker's WebSocket listener."""
        return f"ws://{self.host}:{self.mqtt_port}"

    @property
    def provider(self) -> dict[str, Any]:
        """An element of auth.providers that accepts token()'s."""
        return {"issuer": ISSUER, "audiences": [AUDIENCE], "jwks": {"uri": self.jwks_url}}

    def token(self, subject: str = "alice", *, seconds: int = TOKEN_SECONDS, **claims: Any) -> str:
        """A signed token; claims win over what is filled in."""
        return self.key.token({"sub": subject, **claims}, int(time.time()), seconds)

    def __enter__(self) -> Self:
        self.mosquitto.start()
        self._thread.start()
        assert self._ready.wait(START_SECONDS), "the services did not start"
        self.mosquitto.wait(self._broker_listens, "listens", START_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()
        self._loop.close()
        self.mosquitto.stop()

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        async with AsyncExitStack() as stack:
            self.jwks_url = await self._serve_jwks(stack)
            echo = await stack.enter_async_context(websockets.asyncio.server.serve(self._echo, self.host, 0))
            self.echo_url = f"ws://{self.host}:{next(iter(echo.sockets)).getsockname()[1]}"
            secured = await stack.enter_async_context(
                websockets.asyncio.server.serve(self._echo_secured, self.host, 0, ssl=self._asking())
            )
            self.secured_url = f"wss://{self.host}:{next(iter(secured.sockets)).getsockname()[1]}"
            self._ready.set()
            await self._stopped.wait()

    async def _serve_jwks(self, stack: AsyncExitStack) -> str:
        async def certs(_: web.Request) -> web.Response:
            return web.json_response(self.key.jwks())

        app = web.Application()
        app.router.add_get("/certs", certs)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, self.host, 0).start()
        return f"http://{self.host}:{runner.addresses[0][1]}/certs"

    def _asking(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(self.authority.certificate))
        context.load_cert_chain(*self.authority.server("secured", [SECURED_NAME]))
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    async def _echo_secured(self, connection: ServerConnection) -> None:
        subject: Any = (connection.transport.get_extra_info("peercert") or {})["subject"]
        self.shown.append(dict(part[0] for part in subject)["commonName"])
        await self._echo(connection)

    async def _echo(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        self.echoed.append(connection.request)
        # The gateway may leave in the middle of a message, and that is no fault here.
        with suppress(ConnectionClosed):
            async for message in connection:
                await connection.send(message)

    def _broker_listens(self) -> bool:
        try:
            socket.create_connection((self.host, self.mqtt_port), 1).close()
        except OSError:
            return False
        return True


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _mosquitto(folder: Path, host: str, port: int) -> list[str | Path]:
    config = folder / "mosquitto.conf"
    # Version 2.0.11 serves WebSockets only beside a plain listener. user: as root it would become nobody,
    # who may not read the folder.
    config.write_text(
        f"user root\nallow_anonymous true\nlistener {free_port()} 127.0.0.1\n"
        f"listener {port} {host}\nprotocol websockets\n"
    )
    return [program("mosquitto"), "-c", config]
