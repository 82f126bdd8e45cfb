"""A whole gateway shows its client certificate to an upstream that insists on one."""

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest
import websockets
from websockets.asyncio.server import ServerConnection

from tests.support.certificates import authority_pem, pair, server_context
from tests.support.loops import on_both_loops
from tests.support.world import World, eventually
from wsgate_operator.renderer import FirstLoadError
from wsgate_operator.sources import secret_folders

NAME = "upstream.test"
TLS = {"caBundle": authority_pem(), "serverName": NAME, "clientCertificateRef": {"name": "client"}}


class Shown:
    """A world with an upstream that keeps whom its clients say they are."""

    def __init__(self, folder: Path) -> None:
        self.world = World(folder)
        self.names: list[str] = []
        self._folder = folder
        self.url = ""

    def put(self, name: str, secret: str = "client", key: bytes | None = None) -> None:
        """A new certificate in the folder of a secret; another key breaks it."""
        certificate, own_key = pair(name)
        folder = self.world.secrets / secret
        folder.mkdir(parents=True, exist_ok=True)
        for file, content in (("tls.crt", certificate), ("tls.key", own_key if key is None else key)):
            (folder / f"{file}.draft").write_bytes(content)
            (folder / f"{file}.draft").rename(folder / file)

    async def listen(self) -> None:
        """Start the upstream."""

        async def echo(connection: ServerConnection) -> None:
            secured: ssl.SSLObject = connection.transport.get_extra_info("ssl_object")
            subject: Any = (secured.getpeercert() or {})["subject"]
            self.names.append(subject[0][0][1])
            async for message in connection:
                await connection.send(message)

        context = server_context(self._folder, NAME, asks_for_certificate=True)
        self.url = (await self.world.upstream(echo, ssl=context)).replace("ws:", "wss:")

    def route(self, name: str = "echo", **tls: Any) -> None:
        self.world.route(name, upstream=self.url, upstreamTLS={**TLS, **tls})

    async def echoes(self, path: str = "/echo") -> str:
        """Open a session, send one message; whom the upstream has seen."""
        async with self.world.connect(path, self.world.token()) as client:
            await client.send("hello")
            assert await client.recv() == "hello"
        return self.names[-1]

    async def opens(self, path: str = "/echo") -> bool:
        try:
            await self.echoes(path)
        except (websockets.WebSocketException, OSError):
            return False
        return True


@on_both_loops
async def test_the_upstream_sees_the_routes_certificate_under_its_own_name(tmp_path: Path) -> None:
    shown = Shown(tmp_path)
    await shown.listen()
    shown.put("client.test")
    shown.route()
    async with shown.world.running():
        assert await shown.echoes() == "client.test"


@on_both_loops
async def test_without_a_certificate_the_upstream_is_not_reached(tmp_path: Path) -> None:
    shown = Shown(tmp_path)
    await shown.listen()
    shown.world.route(upstream=shown.url, upstreamTLS={"caBundle": authority_pem(), "serverName": NAME})
    async with shown.world.running():
        refused = await shown.world.refusal(token=shown.world.token())
        assert refused.status == 502
    assert shown.names == []


@on_both_loops
async def test_a_renewed_certificate_is_shown_to_new_sessions_and_ends_none(tmp_path: Path) -> None:
    shown = Shown(tmp_path)
    await shown.listen()
    shown.put("first.test")
    shown.route()
    async with shown.world.running():
        async with shown.world.connect(token=shown.world.token()) as old:
            shown.put("second.test")
            applied = "client certificate applied"
            await eventually(lambda: len(shown.world.logged(applied)) == 2, "the new one is applied")
            assert await shown.echoes() == "second.test"
            await old.send("still here")
            assert await old.recv() == "still here"


@on_both_loops
async def test_a_broken_certificate_keeps_the_last_good_one_and_says_why(tmp_path: Path) -> None:
    shown = Shown(tmp_path)
    await shown.listen()
    shown.put("first.test")
    shown.route()
    async with shown.world.running():
        shown.put("second.test", key=pair("other.test")[1])
        verdicts = "verdict-changed"
        await eventually(lambda: len(shown.world.logged(verdicts)) >= 1, "it is told")
        told = shown.world.logged(verdicts)[-1]["detail"]
        assert "does not match the first certificate" in told and "last accepted version stays in force" in told
        assert await shown.echoes() == "first.test"


@on_both_loops
async def test_a_certificate_that_is_taken_away_ends_its_route_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secret_folders, "GONE_SECONDS", 0.5)
    shown = Shown(tmp_path)
    await shown.listen()
    shown.put("client.test")
    shown.put("other.test", "other")
    shown.route()
    shown.route("second", clientCertificateRef={"name": "other"})
    async with shown.world.running() as world:
        assert await shown.echoes() == "client.test"
        (world.secrets / "client/tls.key").unlink()
        await eventually(lambda: "default/echo" not in world.plane.catalogue.servings, "the route is gone")
        assert (await world.refusal(token=world.token())).status in (404, 503)
        assert await shown.echoes("/second") == "other.test"


@on_both_loops
async def test_a_copy_that_is_missing_makes_the_route_503_and_not_the_others(tmp_path: Path) -> None:
    shown = Shown(tmp_path)
    await shown.listen()
    shown.put("client.test")
    shown.put("other.test", "other")
    shown.route()
    shown.route("second", clientCertificateRef={"name": "other"})
    async with shown.world.running() as world:
        used = world.plane.catalogue.servings["default/echo"].route.client_certificate
        (tmp_path / f"rendered/secrets/{used}.pem").unlink()
        await eventually(lambda: "default/echo" not in world.plane.catalogue.servings, "it is missed")
        refused = await world.refusal(token=world.token())
        assert (refused.status, refused.reason) == (503, "route-invalid")
        (told,) = world.logged("route not understood")
        assert "upstreamTLS.clientCertificateRef" in told["error"] and f"{used}.pem is not there" in told["error"]
        assert await shown.echoes("/second") == "other.test"


def test_a_missing_folder_is_told_at_the_start_with_the_field(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.route("a", upstream="wss://a.test", upstreamTLS=TLS)

    async def start() -> None:
        async with world.running():
            raise AssertionError("it must not start")

    with pytest.raises(FirstLoadError) as caught:
        asyncio.run(start())
    (fault,) = [each for each in caught.value.faults if "clientCertificateRef" in each]
    assert f"no folder {world.secrets}/client" in fault
