"""MQTT as tests speak it: a broker, and packets by the gateway's codec, which has tests of its own."""

import asyncio
from dataclasses import dataclass, field

import websockets
from websockets.asyncio.server import ServerConnection

from wsgate_dataplane.protocols.mqtt.connect import Connect, Will, read_connect, write_connect
from wsgate_dataplane.protocols.mqtt.fields import write_text, write_variable
from wsgate_dataplane.protocols.mqtt.properties import Properties

MQTT = websockets.Subprotocol("mqtt")
DISCONNECT = 0xE0
VERSIONS = {3: "MQTT 3.1", 4: "MQTT 3.1.1", 5: "MQTT 5"}


def connect(
    password: str | None = None,
    level: int = 5,
    client_id: str = "robot",
    user_name: str | None = "someone",
    properties: Properties = (),
    will: Will | None = None,
) -> bytes:
    """A CONNECT packet."""
    secret = None if password is None else password.encode()
    return write_connect(
        Connect(
            level=level,
            clean_start=True,
            keep_alive=60,
            client_id=client_id,
            user_name=user_name,
            password=secret,
            will=will,
            properties=properties,
        )
    )


def packet(first: int, body: bytes) -> bytes:
    """A packet by its first byte."""
    return bytes((first,)) + write_variable(len(body)) + body


def publish(topic: str, payload: bytes, level: int = 5) -> bytes:
    """PUBLISH at QoS 0."""
    return packet(0x30, write_text(topic) + (b"\0" if level == 5 else b"") + payload)


def connack(level: int = 5) -> bytes:
    """The broker's yes."""
    return packet(0x20, b"\0\0\0" if level == 5 else b"\0\0")


@dataclass
class Broker:
    """An upstream that answers a CONNECT and sends each PUBLISH back; it keeps what it was sent."""

    connects: list[Connect] = field(default_factory=list)
    received: bytearray = field(default_factory=bytearray)
    """All packets behind the CONNECT."""
    answers: asyncio.Event = field(default_factory=asyncio.Event)
    """Cleared: it keeps silent."""
    subprotocols: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.answers.set()

    async def __call__(self, connection: ServerConnection) -> None:
        """Serve one session."""
        self.subprotocols.append(connection.subprotocol or "")
        stream = b""
        while (found := read_connect(stream)) is None:
            message = await connection.recv()
            assert isinstance(message, bytes), "MQTT in a text frame"
            stream += message
        opened, end = found
        self.connects.append(opened)
        await self.answers.wait()
        await connection.send(connack(opened.level))
        rest = stream[end:]
        if rest:
            self.received += rest
            await connection.send(rest)
        async for message in connection:
            assert isinstance(message, bytes), "MQTT in a text frame"
            self.received += message
            await connection.send(message)
