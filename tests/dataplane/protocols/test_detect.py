"""Which protocol a session speaks, and what may be read for its token."""

from typing import Literal

import pytest

from wsgate_contract.route import TokenSource
from wsgate_dataplane.protocols.detect import Expected, Protocol, in_band, protocol_of


@pytest.mark.parametrize(
    ("route", "offered", "expected"),
    [
        ("Auto", ("mqtt",), "mqtt"),
        ("Auto", ("chat", "mqttv3.1"), "mqtt"),
        ("Auto", ("MQTT", "mqtt2"), "raw"),
        ("Auto", (), "raw"),
        ("Raw", ("mqtt",), "raw"),
        ("MQTT", (), "mqtt"),
    ],
)
def test_the_route_decides_or_what_the_client_offers(
    route: Literal["Auto", "Raw", "MQTT"], offered: tuple[str, ...], expected: Protocol
) -> None:
    assert protocol_of(route, offered) == expected


@pytest.mark.parametrize(
    ("route", "protocol", "sources", "expected"),
    [
        ("Auto", "mqtt", ("Header", "MQTTPassword"), Expected.CONNECT),
        ("Auto", "mqtt", ("Header", "FirstMessage"), None),
        ("Auto", "raw", ("Header", "MQTTPassword"), None),
        ("Auto", "raw", ("FirstMessage",), Expected.EITHER),
        ("Raw", "raw", ("FirstMessage", "MQTTPassword"), Expected.MESSAGE),
        ("MQTT", "mqtt", ("MQTTPassword",), Expected.CONNECT),
    ],
)
def test_a_token_is_waited_for_only_where_its_source_fits_the_protocol(
    route: Literal["Auto", "Raw", "MQTT"],
    protocol: Protocol,
    sources: tuple[TokenSource, ...],
    expected: Expected | None,
) -> None:
    assert in_band(route, protocol, sources) is expected
