"""Paho and aiomqtt reach mosquitto through the gateway, in MQTT 3.1.1 and 5, and understand what it says."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from queue import Queue
from typing import Any

import aiomqtt
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from e2e.client import asynchronous
from e2e.services import Services
from e2e.standalone import Standalone

WAIT_SECONDS = 10
VERSIONS = pytest.mark.parametrize(
    "version", [aiomqtt.ProtocolVersion.V311, aiomqtt.ProtocolVersion.V5], ids=["3.1.1", "5"]
)


@dataclass(frozen=True)
class Served:
    """mosquitto behind a gateway."""

    gateway: Standalone
    services: Services

    def client(self, version: aiomqtt.ProtocolVersion, token: str, **options: Any) -> aiomqtt.Client:
        """With the token as password; paho wants a user name beside it on 3.1.1."""
        return aiomqtt.Client(
            "127.0.0.1",
            self.gateway.port,
            username="robot",
            password=token,
            protocol=version,
            transport="websockets",
            websocket_path="/mqtt",
            timeout=WAIT_SECONDS,
            **options,
        )


@pytest.fixture(scope="module")
def served(services: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Standalone(tmp_path_factory.mktemp("gateway")) as gateway:
        auth = {"providers": [services.provider], "forward": {"mqttPassword": "Strip"}}
        gateway.route("mqtt", upstream=services.mqtt_url, auth=auth, mqtt={"clientID": "Prefix"})
        yield Served(gateway, services)


async def next_message(client: aiomqtt.Client) -> aiomqtt.Message:
    async with asyncio.timeout(WAIT_SECONDS):
        return await anext(aiter(client.messages))


@asynccontextmanager
async def subscribed(client: aiomqtt.Client, topic: str) -> AsyncIterator[aiomqtt.Client]:
    async with client:
        await client.subscribe(topic, qos=1)
        yield client


@VERSIONS
@asynchronous
async def test_messages_of_every_quality_and_size_go_both_ways(
    served: Served, version: aiomqtt.ProtocolVersion
) -> None:
    topic = f"sizes/{version.value}"
    async with subscribed(served.client(version, served.services.token("alice")), topic) as client:
        for qos, size in ((0, 1), (1, 200), (2, 20_000), (1, 200_000)):
            payload = bytes(range(256)) * (size // 256 + 1)
            await client.publish(topic, payload[:size], qos=qos)
            assert (await next_message(client)).payload == payload[:size]


@VERSIONS
@asynchronous
async def test_two_subjects_with_one_client_id_do_not_take_each_others_session(
    served: Served, version: aiomqtt.ProtocolVersion
) -> None:
    topic = f"ids/{version.value}"
    first = served.client(version, served.services.token("alice"), identifier="robot")
    second = served.client(version, served.services.token("bob"), identifier="robot")
    async with subscribed(first, topic) as alice, second as bob:
        await bob.publish(topic, b"still here?", qos=1)
        assert (await next_message(alice)).payload == b"still here?"


@VERSIONS
@asynchronous
async def test_a_revoked_client_is_disconnected_and_its_will_is_published(
    served: Served, version: aiomqtt.ProtocolVersion
) -> None:
    subject, topic = f"leaver-{version.value}", f"wills/{version.value}"
    will = aiomqtt.Will(topic, b"gone", qos=1)
    witness = served.client(version, served.services.token("witness"))
    async with subscribed(witness, topic) as watching:
        with pytest.raises(aiomqtt.MqttError):
            async with served.client(version, served.services.token(subject), will=will) as leaver:
                served.gateway.revoke(subject, subject=subject)
                await next_message(leaver)
        assert (await next_message(watching)).payload == b"gone"


@contextmanager
def running(served: Served, version: MQTTProtocolVersion, token: str) -> Iterator[tuple[Queue[str], Queue[str]]]:
    """A client of paho; what it was told when it connected, and when it was disconnected."""
    connected, disconnected = Queue[str](), Queue[str]()
    client = paho.Client(CallbackAPIVersion.VERSION2, transport="websockets", protocol=version)

    def on_connect(client: Any, userdata: Any, flags: Any, reason_code: Any, properties: Any) -> None:
        connected.put(str(reason_code))

    def on_disconnect(client: Any, userdata: Any, flags: Any, reason_code: Any, properties: Any) -> None:
        disconnected.put(str(reason_code))

    client.on_connect, client.on_disconnect = on_connect, on_disconnect
    client.ws_set_options(path="/mqtt")
    client.username_pw_set("robot", token)
    client.connect("127.0.0.1", served.gateway.port)
    client.loop_start()
    try:
        yield connected, disconnected
    finally:
        client.disconnect()
        client.loop_stop()


@pytest.mark.parametrize("version", [MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5], ids=["3.1.1", "5"])
def test_paho_is_told_that_it_is_not_authorized(served: Served, version: MQTTProtocolVersion) -> None:
    with running(served, version, served.services.token("alice", seconds=-3600)) as (connected, _):
        assert connected.get(timeout=WAIT_SECONDS) == "Not authorized"


def test_paho_is_told_of_a_revocation_by_its_reason_code(served: Served) -> None:
    with running(served, MQTTProtocolVersion.MQTTv5, served.services.token("told")) as (connected, disconnected):
        assert connected.get(timeout=WAIT_SECONDS) == "Success"
        served.gateway.revoke("told", subject="told")
        assert disconnected.get(timeout=WAIT_SECONDS) == "Administrative action"
