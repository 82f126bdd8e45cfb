"""MQTT sessions: the token in the CONNECT packet or in the handshake, and a broker that learns who it is."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import websockets
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.server import ServerConnection

from tests.support.certificates import authority_pem, server_context
from tests.support.loops import eventually, on_both_loops
from tests.support.mqtt import DISCONNECT, MQTT, VERSIONS, Broker, connack, connect, packet, publish
from tests.support.world import World
from wsgate_dataplane.protocols.mqtt.connect import Connect, Will, write_connect
from wsgate_dataplane.protocols.mqtt.properties import USER_PROPERTY

ALL_VERSIONS = pytest.mark.parametrize("level", VERSIONS, ids=VERSIONS.values())


class Served(NamedTuple):
    """A gateway in front of a broker."""

    world: World
    broker: Broker

    def client(self, token: str | None = None, **options: Any) -> websockets.asyncio.client.connect:
        """A client that offers mqtt; a token goes into the handshake."""
        return self.world.connect("/mqtt", token, subprotocols=[MQTT], **options)

    def properties(self) -> list[Any]:
        """The user properties of the last CONNECT that the broker got."""
        return [value for identifier, value in self.broker.connects[-1].properties if identifier == USER_PROPERTY]


@asynccontextmanager
async def serving(folder: Path, *, auth: dict[str, Any] | None = None, **spec: Any) -> AsyncIterator[Served]:
    world, broker = World(folder), Broker()
    upstream = await world.upstream(broker, subprotocols=[MQTT])
    world.route("mqtt", upstream=upstream, auth=auth, **spec)
    async with world.running():
        yield Served(world, broker)


async def closing(client: ClientConnection) -> tuple[list[bytes], int, str]:
    """What comes until the Close, its code and its words."""
    messages: list[bytes] = []
    try:
        while True:
            message = await client.recv()
            assert isinstance(message, bytes)
            messages.append(message)
    except websockets.ConnectionClosed as closed:
        assert closed.rcvd is not None
        return messages, closed.rcvd.code, closed.rcvd.reason


@ALL_VERSIONS
@on_both_loops
async def test_a_token_in_the_password_opens_a_session_that_carries_packets_both_ways(
    tmp_path: Path, level: int
) -> None:
    async with serving(tmp_path) as served:
        token = served.world.token("alice", roles=["driver", "ops"], jti="j-1")
        async with served.client() as client:
            assert client.subprotocol == MQTT
            assert "permessage-deflate" not in str(client.response)
            await client.send(connect(token, level))
            assert await client.recv() == connack(level)
            await client.send(publish("a/b", b"hello", level))
            assert await client.recv() == publish("a/b", b"hello", level)
        (line,) = await served.world.ended()
        assert (line["protocol"], line["sub"], line["jti"]) == ("mqtt", "alice", "j-1")
        assert (line["messages_to_upstream"], line["messages_to_client"]) == (1, 1)
        (got,) = served.broker.connects
        assert (got.level, got.client_id, got.user_name) == (level, "robot", "someone")
        assert got.password == token.encode()
        assert served.properties() == ([("roles", "driver"), ("roles", "ops")] if level == 5 else [])
        assert served.world.requests[-1].headers["X-User-Roles"] == "driver,ops"
        metrics = await served.world.metrics()
        assert metrics['ws_protocol_connections_total{protocol="mqtt"}'] == 1
        assert metrics['ws_protocol_connections_total{protocol="raw"}'] == 0


BAD = {
    "token-missing": None,
    "token-malformed": "a.b",
    "token-signature": "flipped",
    "token-expired": "old",
}


@ALL_VERSIONS
@pytest.mark.parametrize("reason", BAD)
@on_both_loops
async def test_a_bad_token_gets_its_versions_connack_and_1008_and_the_broker_hears_nothing(
    tmp_path: Path, level: int, reason: str
) -> None:
    async with serving(tmp_path) as served:
        world = served.world
        good = world.token()
        tokens = BAD | {
            "token-signature": good[:-8] + ("A" if good[-8] != "A" else "B") + good[-7:],
            "token-expired": world.token(lifetime=-3600),
        }
        async with served.client() as client:
            await client.send(connect(tokens[reason], level))
            messages, code, words = await closing(client)
        is_bad_password = reason in ("token-missing", "token-malformed")
        expected_words = "token expired" if reason == "token-expired" else "unauthorized"
        assert (code, words) == (1008, expected_words)
        if level == 5:
            assert messages[0][0] == 0x20
            assert messages[0][3] == (0x86 if is_bad_password else 0x87)
            assert expected_words.encode() in messages[0]
        else:
            assert messages == [bytes((0x20, 2, 0, 4 if is_bad_password else 5))]
        (line,) = world.logged("refused")
        assert line["reason"] == reason
        assert not world.requests and not served.broker.connects
        # The same token by the header is refused for the same reason, and by HTTP.
        if tokens[reason] is not None:
            assert (await world.refusal("/mqtt", tokens[reason])).reason == reason


@ALL_VERSIONS
@on_both_loops
async def test_a_revoked_session_is_told_by_disconnect_before_the_close_on_mqtt_5(
    tmp_path: Path, level: int
) -> None:
    async with serving(tmp_path) as served:
        async with served.client() as client:
            await client.send(connect(served.world.token("alice"), level))
            assert await client.recv() == connack(level)
            served.world.revoke("alice", subject="alice")
            messages, code, words = await closing(client)
        assert (code, words) == (1008, "token revoked")
        if level == 5:
            assert (messages[0][0], messages[0][2]) == (DISCONNECT, 0x98)
        else:
            assert messages == []


@ALL_VERSIONS
@on_both_loops
async def test_a_session_whose_broker_has_not_answered_is_ended_by_a_connack(tmp_path: Path, level: int) -> None:
    async with serving(tmp_path) as served:
        served.broker.answers.clear()
        async with served.client() as client:
            await client.send(connect(served.world.token("alice"), level))
            await eventually(lambda: served.broker.connects, "the CONNECT is there")
            served.world.revoke("alice", subject="alice")
            messages, code, _ = await closing(client)
        served.broker.answers.set()
        assert code == 1008
        assert [message[0] for message in messages] == [0x20]
        assert messages[0][3] == (0x98 if level == 5 else 5)


@on_both_loops
async def test_a_token_in_the_handshake_makes_the_broker_hear_of_its_roles_too(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        forged = ((USER_PROPERTY, ("Roles", "admin")), (USER_PROPERTY, ("site", "7")))
        async with served.client(served.world.token("alice", roles=["ops"])) as client:
            await client.send(connect("not a token", properties=forged))
            assert await client.recv() == connack()
        assert served.properties() == [("site", "7"), ("roles", "ops")]
        assert served.broker.connects[-1].password == b"not a token"


@pytest.mark.parametrize(
    ("rules", "claims", "expected"),
    [
        ({"clientID": "Prefix"}, {"sub": "al:ice"}, ("al%3Aice:robot", "someone")),
        (
            {"clientID": "{sub}/{clientID}", "userName": "{tenant.id}"},
            {"sub": "a", "tenant": {"id": 7}},
            ("a/robot", "7"),
        ),
        ({"userName": "{userName}@{iss}"}, {"sub": "a"}, ("robot", "someone@")),
    ],
    ids=["prefix", "templates", "user name"],
)
@on_both_loops
async def test_client_id_and_user_name_are_made_of_claims(
    tmp_path: Path, rules: dict[str, str], claims: dict[str, Any], expected: tuple[str, str]
) -> None:
    async with serving(tmp_path, mqtt=rules, auth={"forward": {"mqttPassword": "Strip"}}) as served:
        token = served.world.token(**{"subject": claims["sub"], **{k: v for k, v in claims.items() if k != "sub"}})
        async with served.client() as client:
            await client.send(connect(token))
            assert await client.recv() == connack()
        got: Connect = served.broker.connects[-1]
        assert got.client_id == expected[0]
        assert got.user_name is not None and got.user_name.startswith(expected[1])
        assert got.password is None


@on_both_loops
async def test_a_template_whose_claim_is_missing_refuses_the_client(tmp_path: Path) -> None:
    async with serving(tmp_path, mqtt={"clientID": "{device}"}) as served:
        async with served.client() as client:
            await client.send(connect(served.world.token()))
            messages, code, _ = await closing(client)
        assert (messages[0][3], code) == (0x87, 1008)
        assert served.world.logged("refused")[0]["reason"] == "token-claim-missing"
        assert not served.broker.connects


@on_both_loops
async def test_a_connect_in_single_bytes_and_packets_behind_it_in_its_frame_arrive(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        stream = connect(served.world.token()) + publish("a", b"1")
        async with served.client() as client:
            for byte in stream[:40]:
                await client.send(bytes((byte,)))
            await client.send([stream[40:100], stream[100:], publish("a", b"2")])
            assert await client.recv() == connack()
            await client.send(publish("a", b"3"))
            echoed = b""
            while len(echoed) < 3 * len(publish("a", b"1")):
                message = await client.recv()
                assert isinstance(message, bytes)
                echoed += message
        assert (
            echoed == bytes(served.broker.received) == b"".join(publish("a", each) for each in (b"1", b"2", b"3"))
        )


WRONG_OPENINGS: dict[str, tuple[list[bytes | str], int, str]] = {
    "no CONNECT": ([publish("a", b"x")], 1002, "mqtt-protocol"),
    "text": ([connect("t").decode("latin-1")], 1003, "mqtt-text-frame"),
    "version": ([packet(0x10, b"\0\4MQTT\x07\2\0\0\0\0")], 1002, "mqtt-version"),
    "malformed": ([packet(0x10, b"\0\4MQTT\4\3\0\0\0\0")], 1002, "mqtt-malformed"),
    "too big": ([packet(0x10, b"\0\4MQTT\4\2\0\0\0\0" + bytes(70_000))], 1009, "message-too-big"),
}


@pytest.mark.parametrize("name", WRONG_OPENINGS)
@on_both_loops
async def test_what_is_no_connect_is_refused(tmp_path: Path, name: str) -> None:
    sent, expected_code, reason = WRONG_OPENINGS[name]
    async with serving(tmp_path) as served:
        async with served.client() as client:
            for message in sent:
                await client.send(message)
            assert (await closing(client))[1] == expected_code
        assert served.world.logged("refused")[0]["reason"] == reason
        assert not served.world.requests
        assert (await served.world.metrics())[f'ws_refusals_total{{reason="{reason}"}}'] == 1


@on_both_loops
async def test_defect_4_no_user_name_is_a_role_and_the_packet_stays_whole(tmp_path: Path) -> None:
    """The original appends roles to the user name, so that a user named x|admin is an admin."""
    async with serving(tmp_path) as served:
        will = Will("wills/x", b"\0\xff", qos=1, retain=True)
        sent = connect(served.world.token("alice", roles=["ops"]), user_name="x|admin", will=will)
        async with served.client() as client:
            await client.send(sent)
            assert await client.recv() == connack()
        got = served.broker.connects[-1]
        assert (got.user_name, got.will, served.properties()) == ("x|admin", will, [("roles", "ops")])
        assert write_connect(replace(got, properties=())) == sent


@on_both_loops
async def test_a_second_connect_is_told_and_never_forwarded(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        token = served.world.token()
        async with served.client() as client:
            await client.send(connect(token))
            assert await client.recv() == connack()
            await client.send(connect(token))
            messages, code, _ = await closing(client)
        assert (messages[0][0], messages[0][2], code) == (DISCONNECT, 0x82, 1002)
        assert not served.broker.received
        assert (await served.world.ended())[0]["reason"] == "mqtt-protocol"


@on_both_loops
async def test_defect_13_a_client_that_sends_no_connect_is_closed_in_time(tmp_path: Path) -> None:
    async with serving(tmp_path, limits={"firstMessageSeconds": 1}) as served:
        for token in (None, served.world.token()):
            async with served.client(token) as client:
                pong = await client.ping(b"still there?")
                await asyncio.wait_for(pong, 5)
                assert await closing(client) == ([], 1008, "no first message")
        assert [line["reason"] for line in served.world.logged("refused")] == ["first-message-late"] * 2
        assert len(served.world.plane.registry) == 0


@on_both_loops
async def test_a_revocation_ends_a_session_that_waits_for_its_connect(tmp_path: Path) -> None:
    async with serving(tmp_path, limits={"firstMessageSeconds": 60}) as served:
        async with served.client(served.world.token("alice")) as client:
            await eventually(lambda: len(served.world.plane.registry) == 1, "the session is known")
            served.world.revoke("alice", subject="alice")
            assert await closing(client) == ([], 1008, "token revoked")
        assert not served.broker.connects


@on_both_loops
async def test_a_token_that_ends_while_its_connect_is_waited_for_ends_the_session(tmp_path: Path) -> None:
    expiry = {"expiry": {"leewaySeconds": 0}}
    async with serving(tmp_path, auth=expiry, limits={"firstMessageSeconds": 60}) as served:
        async with served.client(served.world.token(lifetime=2)) as client:
            # It sends nothing, so that nothing else can end it.
            assert await asyncio.wait_for(closing(client), 10) == ([], 1008, "token expired")
        assert not served.broker.connects
        assert [line["reason"] for line in served.world.logged("refused")] == ["token-expired"]
        assert len(served.world.plane.registry) == 0


@on_both_loops
async def test_a_broker_behind_tls_that_goes_before_the_connect_is_missed_at_once(tmp_path: Path) -> None:
    world, gone = World(tmp_path), asyncio.Event()

    async def go(connection: ServerConnection) -> None:
        connection.transport.abort()
        await connection.wait_closed()
        gone.set()

    url = await world.upstream(go, subprotocols=[MQTT], ssl=server_context(tmp_path, "broker.test"))
    tls = {"caBundle": authority_pem(), "serverName": "broker.test"}
    world.route("mqtt", upstream=url.replace("ws:", "wss:"), upstreamTLS=tls)
    async with world.running(), world.connect("/mqtt", world.token(), subprotocols=[MQTT]) as client:
        await gone.wait()
        # So that its end has arrived.
        await asyncio.wait_for(await client.ping(), 5)
        await client.send(connect())
        messages, code, _ = await asyncio.wait_for(closing(client), 5)
        assert (messages[0][0], code) == (0x20, 1014)


@on_both_loops
async def test_without_a_source_in_band_a_client_without_token_is_refused_before_its_101(tmp_path: Path) -> None:
    async with serving(tmp_path, auth={"tokenSources": ["Header"]}) as served:
        with pytest.raises(websockets.InvalidStatus) as refused:
            await served.client()
        assert refused.value.response.status_code == 401


@on_both_loops
async def test_a_broker_that_refuses_is_told_as_its_outcome_says(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.route("mqtt", upstream="ws://127.0.0.1:1/")
    async with world.running(), world.connect("/mqtt", subprotocols=[MQTT]) as client:
        await client.send(connect(world.token()))
        messages, code, words = await closing(client)
    assert (messages[0][3], code, words) == (0x88, 1014, "upstream unavailable")


@ALL_VERSIONS
@on_both_loops
async def test_a_drain_tells_clients_in_their_versions_words(tmp_path: Path, level: int) -> None:
    async with serving(tmp_path) as served, served.client() as client:
        await client.send(connect(served.world.token(), level))
        assert await client.recv() == connack(level)
        served.world.plane.begin_drain()
        messages, code, words = await closing(client)
    assert (code, words) == (1012, "service restart")
    assert [message[2] for message in messages] == ([0x8B] if level == 5 else [])


@on_both_loops
async def test_a_raw_route_carries_mqtt_unread(tmp_path: Path) -> None:
    async with serving(tmp_path, protocol="Raw") as served:
        async with served.client(served.world.token(roles=["ops"])) as client:
            await client.send(connect("x"))
            assert await client.recv() == connack()
        assert served.properties() == []
        assert (await served.world.ended())[0]["protocol"] == "raw"
