"""The commands of docker-compose.yaml as processes: development keys, their JWKS server, the gateway."""

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
import websockets.asyncio.client
import websockets.asyncio.server
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import InvalidStatus

from tests.compose.compose_file import ROOT, env_file, environment, services
from tests.support.valkey import valkey

DEADLINE_SECONDS = 30.0
STATE = "/var/lib/wsgate"
MQTT = websockets.Subprotocol("mqtt")
CONNECT = 0x10
CONNACK = b"\x20\x02\x00\x00"
PUBLISH = b"\x30\x05\x00\x01tok"


def connect_packet(password: str = "") -> bytes:
    """CONNECT of MQTT 3.1.1 with a clean session, and with a user name where there is a password."""
    flags = 0xC2 if password else 0x02
    body = b"\x00\x04MQTT\x04" + bytes([flags]) + b"\x00\x3c" + text("a")
    body += text("alice") + text(password) if password else b""
    low, high = len(body) % 128, len(body) // 128
    return bytes([CONNECT, low | 0x80, high] if high else [CONNECT, low]) + body


def text(value: str) -> bytes:
    return len(value).to_bytes(2, "big") + value.encode()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def command_of(name: str, state: Path) -> list[str]:
    """What a service runs, with a folder instead of its volume."""
    service = services()[name]
    words = [*service["entrypoint"], *service.get("command", [])]
    return [word.replace(STATE, str(state)) for word in words]


def gateway_command(folder: Path, port: int, admin_port: int) -> list[str]:
    """The image's entry point, with a folder instead of its volume and free ports."""
    found = re.search(r"^ENTRYPOINT (.*)$", (ROOT / "Dockerfile.standalone").read_text(), re.MULTILINE)
    assert found is not None
    words = [word.replace(STATE, str(folder)).replace(":9090", f":{admin_port}") for word in json.loads(found[1])]
    return [*words, "--listen", f"127.0.0.1:{port}"]


def process_environment(**more: str) -> dict[str, str]:
    """As little as a container has; python and wsgate are those of the tests."""
    return {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", **more}


@dataclass(frozen=True)
class Keys:
    """What the services keys, jwks and token do."""

    folder: Path
    url: str

    def token(self) -> str:
        """What `docker compose run --rm token` prints."""
        return run(command_of("token", self.folder), self.folder)


def run(command: list[str], folder: Path) -> str:
    environ = process_environment()
    done = subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@contextmanager
def running(
    command: list[str], folder: Path, log: Path, environ: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, env=dict(environ), stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keys]:
    folder, port = tmp_path_factory.mktemp("keys"), free_port()
    run(command_of("keys", folder), folder)
    command = [*command_of("jwks", folder)[:-1], "--bind", "127.0.0.1", str(port)]
    with running(command, folder, folder / "jwks.log", process_environment()):
        yield Keys(folder, f"http://127.0.0.1:{port}/certs.json")


async def broker(connection: ServerConnection) -> None:
    """An echo upstream that says what a broker says first."""
    async for message in connection:
        await connection.send(CONNACK if message[0] == CONNECT else message)


async def answers(http: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with http.get(url) as response:
            return response.status == 200
    except aiohttp.ClientConnectionError:
        return False


async def until_answered(url: str, process: subprocess.Popen[bytes] | None = None) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS), aiohttp.ClientSession() as http:
        while not await answers(http, url):
            assert process is None or process.poll() is None, "the process ended before it answered"
            await asyncio.sleep(0.05)


@asynccontextmanager
async def gateway(folder: Path, keys: Keys, dotenv: Mapping[str, str]) -> AsyncIterator[str]:
    """Its URL; ends by SIGTERM, as Docker ends it, and must end well."""
    port, admin_port = free_port(), free_port()
    shutil.copytree(ROOT / "compose/ws-gw", folder / "ws-gw")
    (folder / "redis").mkdir()
    async with websockets.asyncio.server.serve(broker, "127.0.0.1", 0, subprotocols=[MQTT]) as server:
        routes = folder / "ws-gw/routes.yaml"
        upstream = f"127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        routes.write_text(routes.read_text().replace("mosquitto:9001", upstream))
        await until_answered(keys.url)
        with valkey(folder / "redis") as redis:
            environ = environment(services()["gateway"], {**dotenv, "ROUTE_FILE": str(routes)})
            # The services' names, which only Compose resolves.
            environ |= {"JWKS_URL": keys.url, "REDIS_URL": redis.url}
            log, command = folder / "log", gateway_command(folder / "state", port, admin_port)
            with running(command, folder, log, process_environment(**environ)) as process:
                await until_answered(f"http://127.0.0.1:{admin_port}/readyz", process)
                yield f"ws://127.0.0.1:{port}"
                process.send_signal(signal.SIGTERM)
                assert await asyncio.to_thread(process.wait, DEADLINE_SECONDS) == 0


def connect(url: str, token: str = "") -> websockets.asyncio.client.connect:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return websockets.asyncio.client.connect(url, additional_headers=headers, subprotocols=[MQTT], proxy=None)


@pytest.mark.parametrize("dotenv", [{}, env_file((ROOT / ".env.example").read_text())], ids=["no .env", "example"])
def test_a_client_with_a_development_token_reaches_the_broker(
    tmp_path: Path, keys: Keys, dotenv: dict[str, str]
) -> None:
    async def talk() -> None:
        async with gateway(tmp_path, keys, dotenv) as url:
            # The original serves its only route at /ws too.
            for path in ("/mqtt", "/ws"):
                token = keys.token()
                for header, password in ((token, ""), ("", token)):
                    async with connect(url + path, header) as client:
                        await client.send(connect_packet(password))
                        assert await client.recv() == CONNACK
                        await client.send(PUBLISH)
                        assert await client.recv() == PUBLISH
            with pytest.raises(InvalidStatus) as refused:
                await connect(f"{url}/mqtt", keys.token() + "x")
            assert refused.value.response.status_code == 401

    asyncio.run(talk())
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_the_key_is_made_once_and_only_its_public_half_is_served(keys: Keys) -> None:
    before = (keys.folder / "public/certs.json").read_text()
    run(command_of("keys", keys.folder), keys.folder)
    assert (keys.folder / "public/certs.json").read_text() == before
    assert [path.name for path in (keys.folder / "public").iterdir()] == ["certs.json"]
    assert "d" not in json.loads(before)["keys"][0]
    assert (keys.folder / "key.pem").stat().st_mode & 0o077 == 0
