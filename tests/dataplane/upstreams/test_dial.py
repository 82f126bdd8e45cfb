"""Dialling real servers: a checked 101 with every early byte, or a refusal that leaves nothing open."""

import asyncio
import datetime
import functools
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.loops import eventually, on_both_loops
from tests.support.sockets import HEAD, open_fds
from wsgate_dataplane.outcomes.refusal import Refused
from wsgate_dataplane.outcomes.table import Reason
from wsgate_dataplane.upstreams.answer import ANSWER_BYTES_MAX, Answer, Offer
from wsgate_dataplane.upstreams.dial import Target, Upgraded, dial, head_bytes
from wsgate_dataplane.upstreams.resolve import ANYWHERE, Destinations, Reach

OFFER = Offer("ICX+Yqv66kxgM0FcWaLWlFLwTAI=")
ASKED = head_bytes("/ws", [("Host", "upstream.test")])
EARLY = b"\x82\x05early" + b"\x82\x00"
SHORT = 0.2
"""Seconds, where a test has to wait for it."""

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Upstream:
    """A listening server that reads one head and then behaves as it was told."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self.port = 0
        self.heads: list[bytes] = []
        self.connected = 0
        self.gone = 0
        """Connections whose end was seen."""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connected += 1
        try:
            self.heads.append(await reader.readuntil(b"\r\n\r\n"))
            await self._behaviour(reader, writer)
            await reader.read()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.gone += 1
            writer.transport.abort()

    def url(self, host: str = "127.0.0.1", scheme: str = "ws") -> str:
        return f"{scheme}://{host}:{self.port}/ws"


@asynccontextmanager
async def serving(behaviour: Behaviour, tls: ssl.SSLContext | None = None) -> AsyncIterator[Upstream]:
    """A running upstream; at the end every dialled connection is closed and no descriptor is left."""
    upstream = Upstream(behaviour)
    server = await asyncio.start_server(upstream, "127.0.0.1", 0, ssl=tls)
    upstream.port = server.sockets[0].getsockname()[1]
    before = open_fds()
    try:
        yield upstream
        await eventually(lambda: upstream.gone == upstream.connected, "a connection was left open")
        await eventually(lambda: open_fds() <= before, lambda: f"{open_fds()} descriptors, {before} before")
    finally:
        server.close()
        await server.wait_closed()


def saying(*pieces: bytes, then_close: bool = False) -> Behaviour:
    """Send the pieces, each in a segment of its own."""

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        if then_close:
            writer.transport.close()

    return say


async def dialled(
    url: str, tls: ssl.SSLContext | None = None, connect: float = 5, handshake: float = 5, name: str | None = None
) -> Upgraded:
    return await dial(Target.from_url(url, tls, name), ASKED, OFFER, connect, handshake)


async def refusal(
    url: str, tls: ssl.SSLContext | None = None, connect: float = 5, handshake: float = 5
) -> Refused:
    with pytest.raises(Refused) as caught:
        await dialled(url, tls, connect, handshake)
    # A traceback would keep the connection's objects alive.
    return caught.value.with_traceback(None)


async def rest_of(upgraded: Upgraded, size: int) -> bytes:
    """Early bytes and what follows, as the relay reads them after its take-over."""
    received = bytearray(upgraded.early)

    class Reading(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            received.extend(data)

    upgraded.transport.set_protocol(Reading())
    upgraded.transport.resume_reading()
    await eventually(lambda: len(received) >= size, lambda: f"{len(received)} of {size} bytes")
    upgraded.transport.abort()
    return bytes(received)


@on_both_loops
async def test_the_request_is_sent_as_it_is_and_the_answer_is_checked() -> None:
    async with serving(saying(HEAD)) as upstream:
        upgraded = await dialled(upstream.url())
        assert upgraded.answer == Answer(None, None)
        assert upgraded.early == b""
        assert not upgraded.transport.is_closing()
        assert upstream.heads == [ASKED]
        upgraded.transport.abort()


@on_both_loops
async def test_frames_in_the_answers_segment_are_kept() -> None:
    async with serving(saying(HEAD + EARLY)) as upstream:
        upgraded = await dialled(upstream.url())
        assert upgraded.early == EARLY
        assert await rest_of(upgraded, len(EARLY)) == EARLY


@on_both_loops
async def test_an_answer_that_comes_byte_by_byte_is_read_and_nothing_behind_it_is_lost() -> None:
    stream = HEAD + EARLY
    async with serving(saying(*(stream[place : place + 1] for place in range(len(stream))))) as upstream:
        assert await rest_of(await dialled(upstream.url()), len(EARLY)) == EARLY


@on_both_loops
async def test_reading_stops_behind_the_answer_until_the_relay_goes_on() -> None:
    flood = bytes(range(256)) * 20_000
    async with serving(saying(HEAD, flood)) as upstream:
        upgraded = await dialled(upstream.url())
        assert await rest_of(upgraded, len(flood)) == flood


@on_both_loops
async def test_an_answer_that_is_no_101_is_refused_and_the_connection_closed() -> None:
    async with serving(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")) as upstream:
        refused = await refusal(upstream.url())
        assert refused.reason is Reason.UPSTREAM_REFUSED_UPGRADE
        assert "200 OK" in refused.detail


@on_both_loops
async def test_an_answer_with_a_wrong_accept_is_refused_and_the_connection_closed() -> None:
    async with serving(saying(HEAD.replace(b"ICX", b"XXX"))) as upstream:
        assert (await refusal(upstream.url())).reason is Reason.UPSTREAM_REFUSED_UPGRADE


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 101 Swi", HEAD[:-1]], ids=["nothing", "a part", "nearly all"])
@on_both_loops
async def test_an_upstream_that_closes_before_its_answer_is_complete_is_refused(said: bytes) -> None:
    async with serving(saying(said, then_close=True)) as upstream:
        refused = await refusal(upstream.url())
        assert refused.reason is Reason.UPSTREAM_REFUSED_UPGRADE
        assert "closed the connection" in refused.detail


@on_both_loops
async def test_an_upstream_that_resets_the_connection_is_refused() -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async with serving(reset) as upstream:
        assert (await refusal(upstream.url())).reason is Reason.UPSTREAM_REFUSED_UPGRADE


@on_both_loops
async def test_an_upstream_that_never_answers_is_left_after_the_handshakes_time() -> None:
    async with serving(saying()) as upstream:
        refused = await refusal(upstream.url(), handshake=SHORT)
        assert refused.reason is Reason.UPSTREAM_TIMEOUT
        assert upstream.url() in refused.detail


@on_both_loops
async def test_an_upstream_that_dribbles_its_answer_is_left_after_the_handshakes_time() -> None:
    async def dribble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\n")
        while not reader.at_eof() and not writer.transport.is_closing():
            writer.write(b"X")
            await writer.drain()
            # The pace of a slow upstream, not a wait for anything.
            await asyncio.sleep(SHORT / 10)

    async with serving(dribble) as upstream:
        assert (await refusal(upstream.url(), handshake=SHORT)).reason is Reason.UPSTREAM_TIMEOUT


@on_both_loops
async def test_endless_headers_are_refused_at_a_named_size() -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\n")
        while not writer.transport.is_closing():
            writer.write(b"X-Filler: " + b"x" * 1000 + b"\r\n")
            await writer.drain()

    async with serving(flood) as upstream:
        refused = await refusal(upstream.url())
        assert refused.reason is Reason.UPSTREAM_REFUSED_UPGRADE
        assert str(ANSWER_BYTES_MAX) in refused.detail


@on_both_loops
async def test_a_head_above_the_size_is_refused_although_it_came_at_once() -> None:
    filler = b"X-Filler: " + b"x" * ANSWER_BYTES_MAX + b"\r\n\r\n"
    async with serving(saying(HEAD[:-2] + filler)) as upstream:
        assert str(ANSWER_BYTES_MAX) in (await refusal(upstream.url())).detail


@on_both_loops
async def test_many_early_frames_do_not_count_as_a_head() -> None:
    early = bytes(ANSWER_BYTES_MAX * 2)
    async with serving(saying(HEAD + early)) as upstream:
        assert await rest_of(await dialled(upstream.url()), len(early)) == early


@pytest.mark.parametrize("host", ["127.0.0.1", "no-such-host.invalid", "a..b", "x" * 64 + ".test"])
@on_both_loops
async def test_an_upstream_that_cannot_be_reached_is_refused(host: str) -> None:
    async with serving(saying()) as upstream:
        port = upstream.port
    refused = await refusal(f"ws://{host}:{port}/ws")
    assert refused.reason is Reason.UPSTREAM_UNREACHABLE
    assert host in refused.detail


@on_both_loops
async def test_a_cancelled_dial_closes_its_connection() -> None:
    async with serving(saying()) as upstream, asyncio.TaskGroup() as tasks:
        task = tasks.create_task(dialled(upstream.url()))
        await eventually(lambda: upstream.heads)
        task.cancel()


@functools.cache
def authority() -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    """A self-signed CA, one for the whole run."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key, certificate("wsgate test CA", key, None)


def certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: tuple[ec.EllipticCurvePrivateKey, x509.Certificate] | None,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[1].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        # Python 3.13 verifies strictly (RFC 5280 4.2.1): key identifiers, and a CA's key usage.
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key((issuer[0] if issuer else key).public_key()),
            critical=False,
        )
    )
    if issuer is None:
        usage = dict.fromkeys(
            (
                "digital_signature",
                "content_commitment",
                "key_encipherment",
                "data_encipherment",
                "key_agreement",
                "crl_sign",
                "encipher_only",
                "decipher_only",
            ),
            False,
        )
        builder = builder.add_extension(x509.KeyUsage(key_cert_sign=True, **usage), critical=True)
    if issuer:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    return builder.sign(issuer[0] if issuer else key, hashes.SHA256())


def server_context(folder: Path, name: str) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    path = folder / "server.pem"
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(pem + certificate(name, key, authority()).public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def trusting_context() -> ssl.SSLContext:
    pem = authority()[1].public_bytes(serialization.Encoding.PEM).decode()
    return ssl.create_default_context(cadata=pem)


@on_both_loops
async def test_an_encrypted_upstream_of_the_right_name_is_dialled(tmp_path: Path) -> None:
    async with serving(saying(HEAD + EARLY), server_context(tmp_path, "localhost")) as upstream:
        upgraded = await dialled(upstream.url("localhost", "wss"), trusting_context())
        assert await rest_of(upgraded, len(EARLY)) == EARLY


@on_both_loops
async def test_the_name_to_verify_may_be_another_than_the_urls(tmp_path: Path) -> None:
    async with serving(saying(HEAD), server_context(tmp_path, "chat.test")) as upstream:
        upgraded = await dialled(upstream.url(scheme="wss"), trusting_context(), name="chat.test")
        upgraded.transport.abort()


@on_both_loops
async def test_no_encrypted_byte_behind_the_answer_is_lost(tmp_path: Path) -> None:
    flood = [bytes([number]) * 5000 for number in range(200)]
    async with serving(saying(HEAD, *flood), server_context(tmp_path, "localhost")) as upstream:
        upgraded = await dialled(upstream.url("localhost", "wss"), trusting_context())
        assert await rest_of(upgraded, 5000 * 200) == b"".join(flood)


@pytest.mark.parametrize(
    ("name", "is_trusted"), [("other.test", True), ("localhost", False)], ids=["wrong name", "no CA"]
)
@on_both_loops
async def test_an_upstream_that_cannot_prove_its_name_is_refused(
    name: str, tmp_path: Path, *, is_trusted: bool
) -> None:
    context = trusting_context() if is_trusted else ssl.create_default_context()
    async with serving(saying(HEAD), server_context(tmp_path, name)) as upstream:
        refused = await refusal(upstream.url("localhost", "wss"), context)
        assert refused.reason is Reason.UPSTREAM_UNREACHABLE
        assert "certificate verify failed" in refused.detail
        assert upstream.heads == [], "nothing was sent before the proof"


@on_both_loops
async def test_an_encrypted_upstream_whose_answer_is_no_101_is_refused(tmp_path: Path) -> None:
    async with serving(saying(b"HTTP/1.1 403 No\r\n\r\n"), server_context(tmp_path, "localhost")) as upstream:
        refused = await refusal(upstream.url("localhost", "wss"), trusting_context())
        assert refused.reason is Reason.UPSTREAM_REFUSED_UPGRADE


@on_both_loops
async def test_a_plain_upstream_behind_an_encrypted_url_is_left_after_the_connects_time() -> None:
    # It waits for a request's head, the dial for its part of the TLS handshake.
    async with serving(saying()) as upstream:
        refused = await refusal(upstream.url("localhost", "wss"), trusting_context(), connect=SHORT)
        assert refused.reason is Reason.UPSTREAM_TIMEOUT


HERE = Reach(Destinations(forbidden=frozenset({ip_address("192.0.2.3")})), None)
"""Checks every address; 192.0.2.3 is forbidden."""
TENANTS = Reach(ANYWHERE, "team-a")


class Names:
    """Answers in place of the running loop's resolver; the last addresses of a name are repeated."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []
        loop = asyncio.get_running_loop()
        loop.getaddrinfo = self.getaddrinfo  # type: ignore[assignment,method-assign]  # stands in for it

    async def getaddrinfo(self, host: str, *_: object, **__: object) -> list[tuple[int, int, int, str, object]]:
        self.asked.append(host)
        found = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, host, (address, 0)) for address in found]


async def dial_within(reach: Reach, url: str, tls: ssl.SSLContext | None = None, connect: float = 5) -> Upgraded:
    return await dial(Target.from_url(url, tls, reach=reach), ASKED, OFFER, connect, 5)


@on_both_loops
async def test_the_address_that_was_checked_is_dialled_whatever_the_name_leads_to_a_moment_later() -> None:
    async with serving(saying(HEAD)) as upstream:
        names = Names(["127.0.0.1"], ["192.0.2.3"])
        (await dial_within(HERE, upstream.url("chat.test"))).transport.abort()
        assert names.asked == ["chat.test"]
        with pytest.raises(Refused) as caught:
            await dial_within(HERE, upstream.url("chat.test"))
        assert caught.value.reason is Reason.UPSTREAM_NOT_PERMITTED
        assert upstream.connected == 1


@on_both_loops
async def test_every_allowed_address_is_tried_in_order() -> None:
    async with serving(saying(HEAD)) as upstream:
        # Nothing listens at the second; the first is left out.
        Names(["192.0.2.3", "127.0.0.2", "127.0.0.1"])
        (await dial_within(HERE, upstream.url("chat.test"))).transport.abort()
        Names(["192.0.2.3", "127.0.0.2"])
        with pytest.raises(Refused) as caught:
            await dial_within(HERE, upstream.url("chat.test"))
        assert caught.value.reason is Reason.UPSTREAM_UNREACHABLE


@on_both_loops
async def test_a_checked_upstream_is_verified_by_its_name(tmp_path: Path) -> None:
    async with serving(saying(HEAD), server_context(tmp_path, "chat.test")) as upstream:
        Names(["127.0.0.2", "127.0.0.1"])
        (await dial_within(HERE, upstream.url("chat.test", "wss"), trusting_context())).transport.abort()
        with pytest.raises(Refused, match="certificate verify failed"):
            await dial_within(HERE, upstream.url("other.test", "wss"), trusting_context())


@on_both_loops
async def test_an_address_that_breaks_during_tls_is_no_end_while_there_is_another(tmp_path: Path) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async with serving(saying(HEAD + EARLY), server_context(tmp_path, "chat.test")) as upstream:
        async with await asyncio.start_server(hang_up, "127.0.0.2", upstream.port):
            Names(["127.0.0.2", "127.0.0.1"])
            upgraded = await dial_within(HERE, upstream.url("chat.test", "wss"), trusting_context())
            assert await rest_of(upgraded, len(EARLY)) == EARLY


@on_both_loops
async def test_a_lookup_counts_as_part_of_the_connect() -> None:
    class Slow(Names):
        async def getaddrinfo(self, *_: object, **__: object) -> list[tuple[int, int, int, str, object]]:
            await asyncio.sleep(60)
            raise AssertionError("nobody waits so long")

    Slow()
    with pytest.raises(Refused) as caught:
        await dial_within(HERE, "ws://chat.test", connect=SHORT)
    assert caught.value.reason is Reason.UPSTREAM_TIMEOUT


@pytest.mark.parametrize("host", ["nobody.invalid", "a..b"])
@on_both_loops
async def test_a_checked_name_that_leads_nowhere_is_unreachable(host: str) -> None:
    with pytest.raises(Refused) as caught:
        await dial_within(TENANTS, f"ws://{host}")
    assert caught.value.reason is Reason.UPSTREAM_UNREACHABLE


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "localhost", "2130706433"])
@on_both_loops
async def test_a_tenants_upstream_at_loopback_is_never_dialled(host: str) -> None:
    async with serving(saying(HEAD)) as upstream:
        with pytest.raises(Refused) as caught:
            await dial_within(TENANTS, upstream.url(host))
        assert caught.value.reason is Reason.UPSTREAM_NOT_PERMITTED
        assert upstream.connected == 0


def test_an_address_is_judged_once_and_a_name_at_each_dial() -> None:
    good, bad, name = (Target.from_url(f"ws://{host}", reach=HERE) for host in ("10.0.0.1", "192.0.2.3", "a.test"))
    assert (good.reach, good.refusal) == (None, None)
    assert bad.reach is HERE
    assert "192.0.2.3 is an address of the cluster's control plane" in (bad.refusal or "")
    assert (name.reach, name.refusal) == (HERE, None)


@pytest.mark.parametrize(
    ("url", "host", "port", "host_header"),
    [
        ("ws://chat.test/ws", "chat.test", 80, "chat.test"),
        ("wss://chat.test", "chat.test", 443, "chat.test"),
        ("ws://chat.test:8080/ws?a=b", "chat.test", 8080, "chat.test:8080"),
        ("wss://[::1]:9000/", "::1", 9000, "[::1]:9000"),
    ],
)
def test_a_target_is_read_from_its_url(url: str, host: str, port: int, host_header: str) -> None:
    context = ssl.create_default_context()
    target = Target.from_url(url, context)
    assert (target.host, target.port, target.host_header) == (host, port, host_header)
    is_secure = url.startswith("wss")
    assert (target.tls, target.server_name) == ((context, host) if is_secure else (None, None))


@pytest.mark.parametrize("url", ["ws://:8080/", "ws:///path", "ws://[::1/", "ws://a.test:99999", "ws://a.test:x"])
def test_a_url_that_cannot_be_dialled_is_told_before_any_session_needs_it(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Target.from_url(url)


def test_a_head_has_one_line_for_each_header_and_a_blank_one() -> None:
    head = head_bytes("/ws?q=1", [("Host", "a.test"), ("X-Odd", "\u00e4\udcff")])
    assert head == b"GET /ws?q=1 HTTP/1.1\r\nHost: a.test\r\nX-Odd: \xc3\xa4\xff\r\n\r\n"
