"""Many faults in a row: what they do not concern goes on, and nothing of them is left behind."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from e2e.client import asynchronous, closed, connect, echoes, eventually, opens
from e2e.daemon import wait_until
from e2e.identity_providers import OIDCProvider
from e2e.nats_server import NATSServer
from e2e.standalone import Standalone
from e2e.upstream import echoing
from wsgate_cli.devkey import DevelopmentKey, provider

HOST = "127.0.0.1"
BYSTANDERS = 20
ROUNDS = 10
TOKEN_SECONDS = 3600
MESSAGE_BYTES_MAX = 20_000
UNREAD_BYTES = 100_000
WRITE_SECONDS = 1
LEFT_SECONDS = 10.0
CONFIG_PROBLEM = "config-problem"
FRAME_OF_NO_OPCODE = b"\x83\x80\0\0\0\0"
HALF_A_FRAME = b"\x82\xfe\x10\x00\0\0\0\0" + 100 * b"x"


@dataclass
class World:
    """The gateway, what is behind it, and how its sessions must end."""

    gateway: Standalone
    nats: NATSServer
    admitted: str
    """A token of an identity provider that has gone since."""
    key: DevelopmentKey = field(default_factory=DevelopmentKey.create)
    endings: Counter[str] = field(default_factory=Counter)

    def token(self, subject: str) -> str:
        """Of someone else."""
        return self.key.token({"sub": subject}, int(time.time()), TOKEN_SECONDS)


async def bystand(world: World, is_over: asyncio.Event) -> int:
    """Send and receive on one session until the end, and miss nothing; how many messages."""
    count = 0
    async with connect(world.gateway, HOST, "/echo", world.admitted) as client:
        while not is_over.is_set():
            count += 1
            assert await echoes(client, f"{count} {'x' * random.randrange(MESSAGE_BYTES_MAX)}")
            await asyncio.sleep(0)
    world.endings["client-closed"] += 1
    return count


async def upstream_dies(world: World, _: int) -> None:
    """Its session is told; the next one opens as soon as it is back."""
    async with connect(world.gateway, HOST, "/nats", world.admitted) as client:
        assert b"INFO" in await client.recv(decode=False)
        world.nats.daemon.kill()
        ended = await closed(client)
    assert (ended.code, ended.reason) == (1014, "upstream lost")
    assert not await opens(world.gateway, HOST, "/nats", world.admitted)
    world.nats.start()
    async with connect(world.gateway, HOST, "/nats", world.admitted) as client:
        assert b"INFO" in await client.recv(decode=False)
    world.endings.update(("upstream-lost", "client-closed"))


async def subject_is_revoked(world: World, number: int) -> None:
    """Two sessions of a thief."""
    token = world.token(f"thief-{number}")
    async with (
        connect(world.gateway, HOST, "/echo", token) as first,
        connect(world.gateway, HOST, "/echo", token) as second,
    ):
        world.gateway.revoke(f"thief-{number}", subject=f"thief-{number}")
        for client in (first, second):
            ended = await closed(client)
            assert (ended.code, ended.reason) == (1008, "token revoked")
    world.endings["token-revoked"] += 2


async def configuration_breaks(world: World, number: int) -> None:
    """A file that is no YAML, then none: the routes serve on."""
    name = f"broken-{number}.yaml"
    world.gateway.write(name, "kind: [")

    async def is_told() -> bool:
        return any(name in str(line) for line in world.gateway.logged(CONFIG_PROBLEM))

    await eventually(is_told, "the broken file is told of")
    assert await opens(world.gateway, HOST, "/echo", world.admitted)
    world.gateway.remove(name)
    world.endings["client-closed"] += 1


async def client_breaks_the_protocol(world: World, _: int) -> None:
    """A frame of an opcode that does not exist."""
    async with connect(world.gateway, HOST, "/echo", world.admitted) as client:
        client.transport.write(FRAME_OF_NO_OPCODE)
        assert (await closed(client)).code == 1002
    world.endings["frame-invalid"] += 1


async def client_vanishes(world: World, _: int) -> None:
    """In the middle of a message, without a word."""
    client = await connect(world.gateway, HOST, "/echo", world.admitted)
    assert await echoes(client)
    client.transport.write(HALF_A_FRAME)
    client.transport.abort()
    world.endings["client-lost"] += 1


async def client_stops_reading(world: World, _: int) -> None:
    """Its messages come back into full buffers, and it is cut off."""
    client = await connect(world.gateway, HOST, "/echo", world.admitted, compression=None)
    with suppress(ConnectionClosed):
        async with asyncio.timeout(LEFT_SECONDS):
            while True:
                await client.send(bytes(UNREAD_BYTES))
    await discard(client)
    world.endings["write-timeout"] += 1


async def discard(client: ClientConnection) -> None:
    """Wait for the end of a session whose messages nobody wants."""
    with suppress(ConnectionClosed):
        async with asyncio.timeout(LEFT_SECONDS):
            while True:
                await client.recv()


FAULTS = (
    upstream_dies,
    subject_is_revoked,
    configuration_breaks,
    client_breaks_the_protocol,
    client_vanishes,
    client_stops_reading,
)


@asynchronous
async def test_sessions_live_through_the_faults_of_others_and_nothing_is_left_behind(
    part: Callable[[str], Path], standalone: Standalone, tmp_path: Path
) -> None:
    with NATSServer(tmp_path) as nats, OIDCProvider(part("oidc-provider"), tmp_path) as issuer:
        async with echoing() as upstream:
            world = World(standalone, nats, issuer.token())
            auth = {"providers": [issuer.as_provider, provider(world.key)]}
            for name, url in (("echo", upstream.url), ("nats", nats.url)):
                standalone.route(name, upstream=url, auth=auth, timeouts={"writeSeconds": WRITE_SECONDS})
            for path in ("/echo", "/nats"):
                assert await opens(standalone, HOST, path, world.admitted)
            world.endings["client-closed"] += 2
            wait_until(lambda: len(standalone.logged("session ended")) == 2, "both sessions have ended")
            issuer.stop()
            before = standalone.daemon.descriptors
            counts = await soak(world)
            await expect_nothing_left(world, before)
    assert min(counts) > ROUNDS


async def soak(world: World) -> list[int]:
    """Let all faults happen ROUNDS times beside the bystanders; how many messages each of these exchanged."""
    is_over = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        bystanders = [tasks.create_task(bystand(world, is_over)) for _ in range(BYSTANDERS)]
        try:
            for number in range(ROUNDS):
                async with asyncio.TaskGroup() as faults:
                    for fault in FAULTS:
                        faults.create_task(fault(world, number))
        finally:
            is_over.set()
    return [each.result() for each in bystanders]


async def expect_nothing_left(world: World, descriptors: int) -> None:
    """Every session has ended for its own reason, and no socket is open that was not before."""
    gateway = world.gateway
    wanted = sum(world.endings.values())
    wait_until(lambda: len(gateway.logged("session ended")) >= wanted, f"{wanted} sessions have ended")
    assert Counter(line["reason"] for line in gateway.logged("session ended")) == world.endings
    wait_until(lambda: gateway.daemon.descriptors <= descriptors, "the sockets are closed", LEFT_SECONDS)
    _, listed = gateway.admin("/admin/sessions")
    assert listed["total"] == 0
    errors = [line for line in gateway.logged() if "traceback" in line or line["level"] == "error"]
    assert {line["message"] for line in errors} == {CONFIG_PROBLEM}
