"""A client that is bounded in time, speaks TLS, and whose faults come in our own words."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.loops import on_both_loops
from tests.support.valkey import ValkeyServer, valkey
from wsgate_dataplane.stores.fault import Cause, RedisFault
from wsgate_dataplane.stores.redis_client import KEEPALIVE, Client, bounded, fault_of, make_client


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ValkeyServer]:
    with valkey(tmp_path) as running:
        yield running


@asynccontextmanager
async def client_of(url: str) -> AsyncIterator[Client]:
    client = make_client(url)
    try:
        yield client
    finally:
        await client.aclose()


async def ping(client: Client) -> None:
    async with bounded(setting="REDIS_URL"):
        await client.ping()


@pytest.mark.parametrize(
    "url", ["http://a", "redis://", "redis://a/b", "redis://a?db=1", "rediss://a?ssl_cert_reqs=none"]
)
def test_a_url_that_cannot_be_used_is_refused_and_not_quoted(url: str) -> None:
    with pytest.raises(ValueError, match="expected ") as caught:
        make_client(url.replace("://a", "://user:s3cret@a"))
    assert "s3cret" not in str(caught.value)


@on_both_loops
async def test_what_takes_too_long_is_a_fault(server: ValkeyServer) -> None:
    async with client_of(server.url) as client:
        await ping(client)
        server.freeze()
        try:
            with pytest.raises(RedisFault) as caught:
                async with bounded(0.1):
                    await client.ping()
        finally:
            server.thaw()
    assert caught.value.cause is Cause.TIMED_OUT


@on_both_loops
async def test_the_kernel_is_told_to_notice_a_cut_link(server: ValkeyServer) -> None:
    async with client_of(server.url) as client:
        await ping(client)
        (connection,) = client.connection_pool._available_connections
        assert connection._writer is not None
        found = connection._writer.get_extra_info("socket")
        assert found.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        for option, value in KEEPALIVE.items():
            assert found.getsockopt(socket.IPPROTO_TCP, option) == value


@on_both_loops
async def test_a_fault_names_the_setting_that_says_where_redis_is(server: ValkeyServer) -> None:
    server.kill()
    async with client_of(server.url) as client:
        with pytest.raises(RedisFault, match="check that it runs, REDIS_URL and the network policy"):
            await ping(client)
    assert "WSGATE_REVOCATION_REDIS_URL (or REDIS_URL)" in str(fault_of(ConnectionResetError()))


@asynccontextmanager
async def tls_before(server: ValkeyServer, folder: Path) -> AsyncIterator[tuple[int, Path]]:
    """A TLS listener before the server; its port, and the certificate to trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "redis")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(1), now + timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path, key_path = folder / "ca.pem", folder / "key.pem"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    key_path.write_bytes(key.private_bytes(encoding, form, plain))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path, key_path)

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, forth = await asyncio.open_connection("127.0.0.1", server.port)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(pump(reader, forth))
            tasks.create_task(pump(back, writer))

    async with await asyncio.start_server(relay, "127.0.0.1", 0, ssl=context) as running:
        yield running.sockets[0].getsockname()[1], path


@on_both_loops
async def test_rediss_verifies_the_certificate(server: ValkeyServer, tmp_path: Path) -> None:
    async with tls_before(server, tmp_path) as (port, certificate):
        async with client_of(f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={certificate}") as client:
            await ping(client)
        async with client_of(f"rediss://127.0.0.1:{port}") as client:
            with pytest.raises(RedisFault) as caught:
                await ping(client)
    assert caught.value.cause is Cause.TLS
