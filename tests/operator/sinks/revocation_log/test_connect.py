"""One client with bounded waits, and one word for each fault; neither says a secret or a record."""

import asyncio
import datetime
import ipaddress
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.operator.sinks.revocation_log.house import ask
from tests.support.loops import on_both_loops, turns
from tests.support.valkey import ValkeyServer, valkey
from wsgate_operator.sinks.revocation_log.connect import KEEPALIVE, bounded, connect
from wsgate_operator.sinks.revocation_log.fault import Reason, RevocationLogError

SECRET = "s3cret-word"


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[ValkeyServer]:
    with valkey(tmp_path) as server:
        yield server


async def fault_of(url: str) -> RevocationLogError:
    """What a call ends with."""
    async with connect(url) as client:
        with pytest.raises(RevocationLogError) as caught:
            async with bounded(5):
                await client.get(SECRET)
    assert SECRET not in str(caught.value)
    assert caught.value.__suppress_context__
    return caught.value


@asynccontextmanager
async def answering(line: bytes) -> AsyncIterator[str]:
    """A server that gives one answer to everything; its URL."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(4096):
            writer.write(line)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(
    "url",
    [
        "",
        f"http://:{SECRET}@host",
        f"redis://user:{SECRET}/x@host:6379",
        f"redis://user:{SECRET}@host:port",
        f"redis://user:{SECRET}@[host",
        f"redis://user:{SECRET}@",
        f"redis://user:{SECRET}@host?socket_timeout=60",
        f"redis://user:{SECRET}@host?retry_on_timeout=yes",
        f"redis://user:{SECRET}@host?ssl_ca_certs=/ca.pem",
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_its_secret(url: str) -> None:
    with pytest.raises(ValueError, match="the Redis URL") as refused:
        connect(url)
    assert SECRET not in str(refused.value)


def test_redis_is_not_imported_before_there_is_a_url() -> None:
    program = "import sys, wsgate_operator.sinks.revocation_log.log as _; sys.exit('redis' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@on_both_loops
async def test_the_users_rights_suffice_for_connecting(own_server: ValkeyServer) -> None:
    ask(own_server, "ACL", "SETUSER", "least", "on", ">p@ss/word", "-@all", "~*", "+get")
    ask(own_server, "SET", "key", "value")
    async with connect(f"redis://least:p%40ss%2Fword@127.0.0.1:{own_server.port}/0") as client:
        assert await client.get("key") == "value"


@on_both_loops
async def test_each_way_to_be_away_has_its_reason(own_server: ValkeyServer) -> None:
    own_server.freeze()
    began = time.monotonic()
    assert (await fault_of(own_server.url)).reason is Reason.TIMED_OUT
    assert time.monotonic() - began < 3
    own_server.kill()
    assert (await fault_of(own_server.url)).reason is Reason.UNREACHABLE
    assert (await fault_of("redis://no-such-host.invalid")).reason is Reason.UNREACHABLE


@on_both_loops
async def test_a_connection_lost_between_calls_is_made_anew(own_server: ValkeyServer) -> None:
    async with connect(own_server.url) as client:
        await client.set("key", "value")
        ask(own_server, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        await turns()
        await client.set("key", "other")
    assert ask(own_server, "GET", "key") == "other"


@on_both_loops
async def test_a_wrong_or_missing_password_is_named(own_server: ValkeyServer) -> None:
    port = own_server.port
    ask(own_server, "CONFIG", "SET", "requirepass", "right")
    for url in (f"redis://127.0.0.1:{port}", f"redis://:{SECRET}@127.0.0.1:{port}"):
        fault = await fault_of(url)
        assert fault.reason is Reason.AUTHENTICATION
        assert "WSGATE_REVOCATION_REDIS_URL" in str(fault)


@on_both_loops
async def test_a_missing_right_names_the_command_but_not_the_key(own_server: ValkeyServer) -> None:
    ask(own_server, "ACL", "SETUSER", "default", "-get")
    fault = await fault_of(own_server.url)
    assert fault.reason is Reason.PERMISSION
    assert "'get' command" in str(fault)
    ask(own_server, "ACL", "SETUSER", "default", "+get", "resetkeys", "~other")
    assert "access a key" in str(await fault_of(own_server.url))


@on_both_loops
async def test_a_replica_without_its_master_is_named(own_server: ValkeyServer) -> None:
    ask(own_server, "CONFIG", "SET", "replica-serve-stale-data", "no")
    ask(own_server, "REPLICAOF", "127.0.0.1", "1")
    assert (await fault_of(own_server.url)).reason is Reason.MASTER_DOWN


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"-LOADING Valkey is loading the dataset in memory\r\n", Reason.LOADING),
        (b"-OOM command not allowed when used memory > 'maxmemory'.\r\n", Reason.OUT_OF_MEMORY),
        (b"-READONLY You can't write against a read only replica.\r\n", Reason.READ_ONLY),
        (b"-NOREPLICAS Not enough good replicas to write.\r\n", Reason.NO_REPLICAS),
        (b"-MISCONF Errors writing to the AOF file: No space left\r\n", Reason.DISK),
        (b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n", Reason.FOREIGN),
        (b"-ERR unknown command 'GET', with args beginning with: 's3cret-word'\r\n", Reason.UNEXPECTED),
        (b"-CLUSTERDOWN The cluster is down\r\n", Reason.UNEXPECTED),
        (b"-ERR max number of clients reached\r\n", Reason.UNREACHABLE),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", Reason.UNEXPECTED),
    ],
)
@on_both_loops
async def test_each_answer_has_its_reason(line: bytes, reason: Reason) -> None:
    async with answering(line) as url:
        assert (await fault_of(url)).reason is reason


@on_both_loops
async def test_an_answer_within_a_transaction_has_the_same_reason(own_server: ValkeyServer) -> None:
    ask(own_server, "SET", "text", "x")
    async with connect(own_server.url) as client:
        with pytest.raises(RevocationLogError) as caught:
            async with bounded(5), client.pipeline() as pipe:
                pipe.set("NOREPLICAS", SECRET)
                pipe.rpush("text", SECRET)
                await pipe.execute()
    assert caught.value.reason is Reason.FOREIGN
    assert SECRET not in str(caught.value)


@on_both_loops
async def test_a_call_that_takes_too_long_is_ended(own_server: ValkeyServer) -> None:
    with pytest.raises(RevocationLogError) as caught:
        async with bounded(0.01):
            await asyncio.sleep(5)
    assert caught.value.reason is Reason.TIMED_OUT


@on_both_loops
async def test_a_defect_of_ours_is_not_taken_for_one_of_redis() -> None:
    with pytest.raises(ZeroDivisionError):
        async with bounded(1):
            _ = 1 / 0


@asynccontextmanager
async def tls_in_front_of(server: ValkeyServer, certificate: Path) -> AsyncIterator[int]:
    """A port that speaks TLS for the server, as a sidecar would."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(4096):
            writer.write(data)
        writer.close()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind = await asyncio.open_connection("127.0.0.1", server.port)
        await asyncio.gather(copy(reader, behind[1]), copy(behind[0], writer))

    front = await asyncio.start_server(relay, "127.0.0.1", 0, ssl=context)
    async with front:
        yield front.sockets[0].getsockname()[1]


def write_certificate(folder: Path, address: str = "127.0.0.1") -> Path:
    """A self-signed certificate with its key, in one file, which is also its CA."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "redis")])
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=9))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{address}.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return path


@on_both_loops
async def test_tls_with_the_own_authority_works(own_server: ValkeyServer, tmp_path: Path) -> None:
    certificate = write_certificate(tmp_path)
    async with tls_in_front_of(own_server, certificate) as port:
        async with connect(f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={certificate}") as client:
            await client.set("key", "value")
        assert ask(own_server, "GET", "key") == "value"


@on_both_loops
async def test_tls_that_cannot_be_trusted_is_named(own_server: ValkeyServer, tmp_path: Path) -> None:
    other = write_certificate(tmp_path, "127.0.0.9")
    async with tls_in_front_of(own_server, other) as port:
        unknown = await fault_of(f"rediss://127.0.0.1:{port}/0")
        wrong_name = await fault_of(f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={other}")
    assert {unknown.reason, wrong_name.reason} == {Reason.TLS}
    assert "self-signed certificate" in str(unknown)
    assert "IP address mismatch" in str(wrong_name)
    # A server without TLS waits for the rest of a command.
    assert "rediss://" in str(await fault_of(f"rediss://127.0.0.1:{own_server.port}/0"))


@on_both_loops
async def test_a_cancellation_that_the_library_loses_is_not_lost() -> None:
    began = asyncio.Event()

    async def deaf() -> None:
        # As asyncio.wait_for() before Python 3.12 where an answer comes at the same time.
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return

    async def work() -> None:
        async with bounded(5):
            await deaf()

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(work())
        await began.wait()
        task.cancel()
    assert task.cancelled()


@on_both_loops
async def test_the_kernel_is_told_to_notice_a_cut_link(server: ValkeyServer) -> None:
    async with connect(server.url) as client:
        await client.get("a")
        (connection,) = client.connection_pool._available_connections
        assert connection._writer is not None
        found = connection._writer.get_extra_info("socket")
        assert found.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        for option, value in KEEPALIVE.items():
            assert found.getsockopt(socket.IPPROTO_TCP, option) == value
