"""The engine as a whole: many sessions, what they leave, TLS upstreams, refusals."""

import asyncio
import datetime
import gc
import ipaddress
import logging
import re
import ssl
from collections import Counter
from pathlib import Path
from typing import cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from websockets.asyncio.client import connect as websockets_connect
from websockets.exceptions import ConnectionClosedError
from websockets.frames import Opcode
from websockets.utils import accept_key

from tests.support.loops import eventually, on_both_loops, turns
from tests.support.sockets import (
    HEAD,
    REQUEST,
    Opened,
    Relay,
    frame,
    open_fds,
    relaying,
)
from wsgate_dataplane.handshake.front import Front
from wsgate_dataplane.relay.asyncio_engine import AsyncioEngine
from wsgate_dataplane.relay.engine import Counters, RelayLimits, Side, SideLost

SESSIONS = 1000
OURS = ("Tunnel", "End", "Scanner", "Leaving")


def census() -> Counter[str]:
    """Living objects that a session could leave behind, by type; timer handles of either loop included."""
    gc.collect()
    counts: Counter[str] = Counter()
    for each in gc.get_objects():
        kind = type(each)
        is_handle = kind.__name__ == "TimerHandle" and not each.cancelled()
        is_kept = kind.__name__ in (*OURS, "Task", "TCPTransport", "_SelectorSocketTransport")
        if is_handle or is_kept or str(kind.__module__).startswith("aiohttp"):
            counts[kind.__qualname__] += 1
    return counts


def remaining(before: Counter[str]) -> Counter[str]:
    """What is there and was not before; timer handles aside."""
    more = census() - before
    more.pop("TimerHandle", None)
    return more


async def settled(relay: Relay) -> None:
    """No handshake is under way."""
    await eventually(lambda: not relay.server.connections)
    await turns()


async def leave_all(relay: Relay, sessions: list[Opened]) -> None:
    """A third is closed by the gateway, a third aborted, a third left by the client."""
    for number, session in enumerate(sessions):
        if number % 3 == 0:
            session.close()
        elif number % 3 == 1:
            relay.engine.abort(session.id)
        session.drop()
    await eventually(lambda: not len(relay.engine))


@on_both_loops
async def test_a_thousand_sessions_leave_everything_as_it_was() -> None:
    async with relaying() as relay:
        handles = census()["TimerHandle"]
        # One first, so that what is loaded or cached once is there already.
        await leave_all(relay, [await relay.open()])
        await settled(relay)
        relay.forget()
        fds, tasks, before = open_fds(), asyncio.all_tasks(), census()
        sessions = [await relay.open() for _ in range(SESSIONS)]
        await settled(relay)
        during = census()
        assert during["Tunnel"] == len(relay.engine) == len(relay.engine.timer) == SESSIONS
        assert asyncio.all_tasks() == tasks
        # The engine's and the listener's.
        assert during["TimerHandle"] <= handles + 2
        await leave_all(relay, sessions)
        del sessions
        relay.forget()
        await eventually(lambda: open_fds() == fds, lambda: f"{open_fds()} descriptors, {fds} before")
        assert asyncio.all_tasks() == tasks
        assert len(relay.engine.timer) == 0
        # They may stay armed for a time that nobody waits for any more.
        assert census()["TimerHandle"] <= handles + 2
        del before["TimerHandle"]
        await eventually(lambda: remaining(before) == {}, lambda: f"left behind: {remaining(before)}")


@on_both_loops
async def test_an_idle_session_holds_no_task_no_aiohttp_object_and_no_timer_of_its_own() -> None:
    async with relaying() as relay:
        first = await relay.open()
        await settled(relay)
        before = census()
        session = await relay.open()
        await settled(relay)
        more = census() - before
        assert more.pop("TCPTransport", 0) + more.pop("_SelectorSocketTransport", 0) in (0, 2)
        assert more == {"Tunnel": 1, "End": 2, "Scanner": 2}
        for each in (first, session):
            each.drop()
            await each.events.over()


@on_both_loops
async def test_stop_cuts_every_session_and_ids_that_are_gone_are_fine() -> None:
    async with relaying() as relay:
        sessions = [await relay.open() for _ in range(3)]
        assert len({session.id for session in sessions}) == len(relay.engine) == 3
        relay.engine.stop()
        assert len(relay.engine) == len(relay.engine.timer) == 0
        for session in sessions:
            closed = await session.events.over()
            assert not closed.is_clean
            assert await session.client.is_cut()
            assert await session.upstream.is_cut()
            relay.engine.close(session.id, 1008, "late")
            relay.engine.abort(session.id)
            relay.engine.set_limits(session.id, RelayLimits())
            assert relay.engine.stats(session.id) == Counters()
            session.drop()


# A refusal that a browser can read


class Refusing:
    """A listener that refuses every client by 101 and Close."""

    def __init__(self, engine: AsyncioEngine, seconds: float) -> None:
        self.engine = engine
        self.seconds = seconds
        self.gone = 0

    async def __call__(self, front: Front, head: bytes = REQUEST) -> None:
        client = front.leave()
        assert client is not None
        key = re.search(rb"Sec-WebSocket-Key: (.*)\r\n", head)
        assert key is not None
        accept = accept_key(key[1].decode()).encode()
        answer = HEAD[: HEAD.index(b"Accept: ")] + b"Accept: " + accept + b"\r\n\r\n"
        self.engine.refuse(client, answer, (1008, "token expired"), self.seconds, self._on_gone)

    def _on_gone(self) -> None:
        self.gone += 1


@on_both_loops
async def test_a_refusal_is_readable_by_a_client_library() -> None:
    async with relaying() as relay:
        refusing = Refusing(relay.engine, seconds=20)
        relay.server._handle = refusing
        host, port = relay.address
        async with websockets_connect(f"ws://{host}:{port}/", proxy=None) as connection:
            with pytest.raises(ConnectionClosedError) as closed:
                await connection.recv()
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1008, "token expired")
        await eventually(lambda: refusing.gone == 1)
        assert len(relay.engine.timer) == 0


@pytest.mark.parametrize("talks", [False, True], ids=["silent", "talking"])
@on_both_loops
async def test_a_refused_client_that_stays_is_cut(caplog: pytest.LogCaptureFixture, talks: bool) -> None:  # noqa: FBT001  # a test's argument
    caplog.set_level(logging.INFO)
    async with relaying() as relay:
        refusing = Refusing(relay.engine, seconds=0.2)
        relay.handle = refusing
        client = await relay.client()
        await client.send(REQUEST + frame(Opcode.TEXT, b"early", mask=True))
        assert (await client.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        assert (await client.frame()).close == (1008, "token expired")
        assert await client.rest() == b""
        while talks and not refusing.gone:
            try:
                await client.send(frame(Opcode.TEXT, b"more", mask=True))
            except ConnectionError:
                break
            await turns(1)
        await eventually(lambda: refusing.gone == 1)
        assert len(relay.engine.timer) == 0
    assert caplog.records == []


# TLS towards the upstream


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context with a self-signed certificate, and a client's that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "upstream")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    certificate = (
        builder.not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file: Path = tmp_path_factory.mktemp("tls") / "both.pem"
    file.write_bytes(private + certificate)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    return server, ssl.create_default_context(cadata=certificate.decode())


@pytest.mark.parametrize("ends", ["gateway closes", "upstream leaves", "client leaves", "upstream stalls"])
@on_both_loops
async def test_a_tls_upstream_is_closed_without_half_close(
    tls: tuple[ssl.SSLContext, ssl.SSLContext], caplog: pytest.LogCaptureFixture, ends: str
) -> None:
    caplog.set_level(logging.INFO)
    streams: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    async with relaying() as relay:
        server = await asyncio.start_server(lambda *pair: streams.put_nowait(pair), "127.0.0.1", 0, ssl=tls[0])
        relay.upstream_address, relay.upstream_tls = server.sockets[0].getsockname(), tls[1]
        fds = open_fds()
        client = await relay.client()
        up, down = frame(Opcode.TEXT, b"up" * 50_000, mask=True), frame(Opcode.TEXT, b"down" * 50_000, mask=False)
        await client.send(REQUEST + up[:10])
        reader, writer = await streams.get()
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD + down)
        assert await client.exactly(len(HEAD) + len(down)) == HEAD + down
        await client.send(up[10:])
        assert await reader.readexactly(len(up)) == up
        events = relay.recorders[0]
        if ends == "gateway closes":
            relay.engine.close(events.id, 1008, "revoked")
            assert (await client.frame()).close == (1008, "revoked")
            assert (await reader.read())[:2] == bytes((0x88, 0x80 | 9))
            client.finish()
        elif ends == "upstream leaves":
            writer.close()
            assert await client.rest() == b""
            client.finish()
            await events.over()
            assert events.events[0] == SideLost(Side.UPSTREAM)
        elif ends == "client leaves":
            client.finish()
            assert await reader.read() == b""
        else:
            cast(asyncio.Transport, writer.transport).pause_reading()
            relay.engine.close(events.id, 1008, "revoked")
        closed = await events.over()
        assert closed.is_clean is (ends != "upstream stalls")
        writer.transport.abort()
        client.close()
        await eventually(lambda: open_fds() == fds, lambda: f"{open_fds()} descriptors, {fds} before")
        server.close()
        await server.wait_closed()
    assert caplog.records == []
