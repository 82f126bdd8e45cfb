"""Servers that speak WebSocket by themselves, behind the gateway, with their own clients."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import nats
import pytest
from nats.aio.client import Client

from e2e.client import asynchronous, closed, connect, refusal
from e2e.daemon import wait_until
from e2e.livekit import PROTOCOL, LiveKit, access_token, ping
from e2e.nats_server import NATSServer
from e2e.standalone import Standalone
from wsgate_cli.devkey import DevelopmentKey, provider

HOST = "127.0.0.1"
TOKEN_SECONDS = 3600
MESSAGE_SECONDS = 5.0


@pytest.fixture
def nats_server(tmp_path: Path) -> Iterator[NATSServer]:
    """Running."""
    with NATSServer(tmp_path) as server:
        yield server


# Of nats-py's call of aiohttp.
@pytest.mark.filterwarnings("ignore:parameter 'timeout' of type 'float':DeprecationWarning")
@asynchronous
async def test_nats_clients_talk_to_each_other_until_one_is_revoked(
    nats_server: NATSServer, standalone: Standalone
) -> None:
    key = DevelopmentKey.create()
    tokens = {name: key.token({"sub": name}, int(time.time()), TOKEN_SECONDS) for name in ("alice", "mallory")}
    lost = asyncio.Event()

    async def on_lost() -> None:
        lost.set()

    async def client(name: str, **options: Any) -> Client:
        headers = {"Authorization": [f"Bearer {tokens[name]}"]}
        return await nats.connect(f"{standalone.url}/nats", ws_connection_headers=headers, **options)

    standalone.route("nats", upstream=nats_server.url, auth={"providers": [provider(key)]})
    async with AsyncExitStack() as stack:
        alice = await client("alice")
        stack.push_async_callback(alice.close)
        mallory = await client("mallory", allow_reconnect=False, closed_cb=on_lost)
        stack.push_async_callback(mallory.close)
        subscription = await alice.subscribe("rooms.*")
        await alice.flush()
        await mallory.publish("rooms.1", b"hello")
        message = await subscription.next_msg(MESSAGE_SECONDS)
        assert (message.subject, message.data) == ("rooms.1", b"hello")
        standalone.revoke("mallory", subject="mallory")
        async with asyncio.timeout(MESSAGE_SECONDS):
            await lost.wait()
        assert (await refusal(standalone, HOST, "/nats", tokens["mallory"])).reason == "token-revoked"
        await alice.publish("rooms.2", b"still here")
        assert (await subscription.next_msg(MESSAGE_SECONDS)).data == b"still here"
    wait_until(lambda: len(standalone.logged("session ended")) == 2, "both sessions have ended")
    reasons = {line["sub"]: line["reason"] for line in standalone.logged("session ended")}
    assert reasons == {"alice": "client-closed", "mallory": "token-revoked"}


@pytest.fixture
def livekit(part: Callable[[str], Path], tmp_path: Path) -> Iterator[LiveKit]:
    """Running."""
    with LiveKit(part("livekit"), tmp_path) as server:
        yield server


@asynchronous
async def test_a_livekit_client_joins_a_room_with_livekits_own_token_in_the_query(
    livekit: LiveKit, standalone: Standalone
) -> None:
    key = DevelopmentKey.create()
    token = key.token({"sub": "alice"}, int(time.time()), TOKEN_SECONDS)
    # LiveKit would take the gateway's token for its own: it looks into the header first.
    auth = {"providers": [provider(key)], "forward": {"authorization": "Strip"}}
    standalone.route("rtc", upstream=livekit.url, auth=auth)
    path = f"/rtc?access_token={access_token('alice', 'room-1')}&protocol={PROTOCOL}&auto_subscribe=1"
    async with connect(standalone, HOST, path, token) as client:
        joined = await client.recv()
        assert isinstance(joined, bytes) and b"room-1" in joined and b"alice" in joined
        await client.send(ping(1234))
        async with asyncio.timeout(MESSAGE_SECONDS):
            # The answers follow the first request's form: JSON from now on.
            while "pongResp" not in (answer := str(await client.recv())):
                pass
        assert json.loads(answer)["pongResp"]["lastPingTimestamp"] == "1234"
        standalone.revoke("alice", subject="alice")
        ended = await closed(client)
    assert (ended.code, ended.reason) == (1008, "token revoked")
    assert (await refusal(standalone, HOST, path, token)).reason == "token-revoked"
