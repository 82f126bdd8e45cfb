"""wsgate demo: the main job in front of your eyes, with a real upstream, client and revocation."""

import argparse
import asyncio
import json
import socket
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiohttp import web

from wsgate_cli.devkey import DevelopmentKey, provider

HELP = "run the gateway, a client and an upstream, revoke a token, and show each step"
STEP_SECONDS = 15
"""No step may take longer; starting a process on a slow machine is the longest."""
POLL_SECONDS = 0.05


class StepFailed(Exception):
    """The demonstration did not show what it should."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """There are no options: the demonstration brings everything along."""


def run(options: argparse.Namespace) -> int:
    """1 where a step fails."""
    try:
        asyncio.run(_demonstrate())
    except (StepFailed, TimeoutError, OSError, aiohttp.ClientError) as error:
        _say("FAILED", str(error) or type(error).__name__)
        return 1
    _say("done", "every step was real: nothing here is mocked; the README shows how to do it by hand")
    return 0


async def _demonstrate() -> None:
    with tempfile.TemporaryDirectory(prefix="wsgate-demo-") as folder:
        runner, upstream_port = await _start_upstream()
        gateway = Gateway(Path(folder), upstream_port)
        try:
            await gateway.start()
            async with aiohttp.ClientSession() as http:
                await _show(gateway, http)
        finally:
            await gateway.stop()
            await runner.cleanup()


class Gateway:
    """A `wsgate standalone` process and its folder of YAML."""

    def __init__(self, folder: Path, upstream_port: int) -> None:
        self.folder = folder
        self.key = DevelopmentKey.create()
        self.port, self.admin_port = _free_port(), _free_port()
        self._upstream_port = upstream_port
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"http://127.0.0.1:{self.port}/echo"

    async def start(self) -> None:
        """Apply the route and wait until the gateway is ready."""
        route = {
            "apiVersion": "wsgate.dev/v1alpha1",
            "kind": "WsRoute",
            "metadata": {"name": "echo"},
            "spec": {
                "prefix": "/echo",
                "upstream": f"ws://127.0.0.1:{self._upstream_port}/",
                "auth": {"providers": [provider(self.key)]},
            },
        }
        self.write("route.yaml", route)
        log = (self.folder / "gateway.log").open("wb")
        with log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "wsgate_cli", "standalone", "--config", str(self.folder)),
                # Not the default one: a gateway of the user's may have it.
                *("--state-dir", str(self.folder / ".state")),
                *("--listen", f"127.0.0.1:{self.port}", "--admin-listen", f"127.0.0.1:{self.admin_port}"),
                stdout=log,
                stderr=log,
            )
        async with aiohttp.ClientSession() as http:
            await wait_until("the gateway is ready", lambda: self._is_ready(http))
        _say("route applied", f"WsRoute default/echo: {self.url} goes to ws://127.0.0.1:{self._upstream_port}/")

    async def _is_ready(self, http: aiohttp.ClientSession) -> bool:
        if self._process is not None and self._process.returncode is not None:
            raise StepFailed(f"the gateway ended: {self.log()}")
        try:
            async with http.get(f"http://127.0.0.1:{self.admin_port}/readyz") as response:
                return response.status == 200
        except aiohttp.ClientConnectionError:
            return False

    def write(self, name: str, document: dict[str, Any]) -> None:
        """Put an object into the folder, whole or not at all, as an editor does."""
        draft = self.folder / f".{name}.draft"
        draft.write_text(yaml.safe_dump(document, sort_keys=False))
        draft.rename(self.folder / name)

    def token(self, subject: str) -> str:
        """A token of the gateway's one provider."""
        return self.key.token({"sub": subject}, int(time.time()), 3600)

    def log(self) -> str:
        """What the gateway said."""
        return (self.folder / "gateway.log").read_text()

    async def stop(self) -> None:
        """Terminate the process as an orchestrator does."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            async with asyncio.timeout(STEP_SECONDS):
                await self._process.wait()


async def _show(gateway: Gateway, http: aiohttp.ClientSession) -> None:
    alice_token = gateway.token("alice")
    async with (
        await _connect(gateway, http, alice_token) as alice,
        await _connect(gateway, http, gateway.token("bob")) as bob,
    ):
        await _revoke_alice(gateway, http, alice_token, alice, bob)


async def _revoke_alice(
    gateway: Gateway,
    http: aiohttp.ClientSession,
    alice_token: str,
    alice: aiohttp.ClientWebSocketResponse,
    bob: aiohttp.ClientWebSocketResponse,
) -> None:
    _say("connected", "alice and bob, each with a JWT of their own (RS256, checked against jwks.inline)")
    await _echo(alice, "hello from alice")
    await _echo(bob, "hello from bob")
    _say("echoed", "one message of each went to the upstream and came back")

    revocation = {
        "apiVersion": "wsgate.dev/v1alpha1",
        "kind": "TokenRevocation",
        "metadata": {"name": "alice-left"},
        "spec": {"subject": "alice", "reason": {"code": "Logout", "text": "shown by the demo"}},
    }
    gateway.write("revocation.yaml", revocation)
    _say("revocation added", "TokenRevocation default/alice-left: subject alice")
    started = time.monotonic()
    async with asyncio.timeout(STEP_SECONDS):
        message = await alice.receive()
    if message.type is not aiohttp.WSMsgType.CLOSE or message.data != 1008:
        raise StepFailed(f"expected alice's session to close with 1008, found {message}")
    after = time.monotonic() - started
    _say(
        "session closed",
        f"alice's, with {message.data} {message.extra!r}, {after:.2f} s after the file was written",
    )

    headers = {"Authorization": f"Bearer {alice_token}", **_upgrade_headers()}
    async with http.get(gateway.url, headers=headers) as response:
        problem = json.loads(await response.read())
    if response.status != 401 or problem["reason"] != "token-revoked":
        raise StepFailed(f"expected 401 token-revoked, found {response.status} {problem}")
    _say("reconnect refused", f"{response.status} {problem['reason']}: {problem['detail']}")
    line = next(line for line in gateway.log().splitlines() if problem["request_id"] in line)
    _say("explained in the log", json.loads(line)["detail"])

    await _echo(bob, "bob is still here")
    _say("others live on", "bob's session has not noticed anything")


async def _connect(gateway: Gateway, http: aiohttp.ClientSession, token: str) -> aiohttp.ClientWebSocketResponse:
    # autoclose off: the demonstration shows the Close frame itself.
    return await http.ws_connect(gateway.url, headers={"Authorization": f"Bearer {token}"}, autoclose=False)


async def _echo(client: aiohttp.ClientWebSocketResponse, text: str) -> None:
    await client.send_str(text)
    async with asyncio.timeout(STEP_SECONDS):
        answer = await client.receive_str()
    if answer != f"echo: {text}":
        raise StepFailed(f"sent {text!r}, got {answer!r}")


def _upgrade_headers() -> dict[str, str]:
    return {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }


async def _start_upstream() -> tuple[web.AppRunner, int]:
    async def echo(request: web.Request) -> web.WebSocketResponse:
        socket_ = web.WebSocketResponse()
        await socket_.prepare(request)
        async for message in socket_:
            await socket_.send_str(f"echo: {message.data}")
        return socket_

    app = web.Application()
    app.router.add_get("/", echo)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port: int = runner.addresses[0][1]
    return runner, port


async def wait_until(what: str, is_true: Callable[[], Awaitable[bool]]) -> None:
    """Poll a condition; raises StepFailed after STEP_SECONDS."""
    deadline = time.monotonic() + STEP_SECONDS
    while not await is_true():
        if time.monotonic() > deadline:
            raise StepFailed(f"waited {STEP_SECONDS} s in vain: {what}")
        await asyncio.sleep(POLL_SECONDS)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _say(step: str, found: str) -> None:
    print(f"{step:>20}  {found}", flush=True)
