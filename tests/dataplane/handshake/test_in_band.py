"""Places to wait in, and the token of a first message."""

import pytest

from wsgate_dataplane.frames.scanner import Rule
from wsgate_dataplane.handshake.in_band import (
    FRAME_REASONS,
    MQTT_REASONS,
    WAITING_MAX,
    WAITING_PER_SOURCE_MAX,
    Waiting,
    credential_of,
)
from wsgate_dataplane.identity.sources import Credential
from wsgate_dataplane.outcomes.refusal import Refused
from wsgate_dataplane.outcomes.table import OUTCOMES, Reason
from wsgate_dataplane.protocols.first_message import First
from wsgate_dataplane.protocols.mqtt.connect import Connect
from wsgate_dataplane.telemetry.metrics import REFUSAL_REASONS
from wsgate_dataplane.values import changed


def test_a_place_is_free_again_and_one_source_does_not_take_all() -> None:
    waiting = Waiting(limits_sources=True)
    places = [waiting.place("2001:db8::1") for _ in range(WAITING_PER_SOURCE_MAX)]
    for place in places:
        place.__enter__()
    with pytest.raises(Refused) as refused, waiting.place("2001:db8::2"):
        pass
    assert refused.value.reason is Reason.TOO_MANY_WAITING
    with waiting.place("2001:db8:0:1::1"):
        pass
    places[0].__exit__(None, None, None)
    with waiting.place("2001:db8::3"):
        pass


def test_behind_a_proxy_only_the_whole_is_bounded() -> None:
    waiting = Waiting(limits_sources=False)
    places = [waiting.place("10.0.0.1") for _ in range(WAITING_MAX)]
    for place in places:
        place.__enter__()
    with pytest.raises(Refused), waiting.place("10.0.0.2"):
        pass


def test_every_fault_of_a_first_message_has_a_reason_that_is_counted_and_a_close() -> None:
    later = {Rule.MQTT_MALFORMED, Rule.MQTT_PROTOCOL, Rule.RATE}
    assert set(FRAME_REASONS) == set(Rule) - later
    for reason in (*FRAME_REASONS.values(), *MQTT_REASONS.values(), Reason.FIRST_MESSAGE_LATE):
        assert reason in REFUSAL_REASONS
        assert OUTCOMES[reason].close is not None


def test_the_token_is_the_password_or_the_message() -> None:
    connect = Connect(5, clean_start=True, keep_alive=0, client_id="c", password=b"a.b.c")
    expected = Credential("a.b.c", "MQTTPassword", is_explicit=True)
    assert credential_of(First(connect, 2, b"behind")) == expected
    assert credential_of(First(None, 1, b"a.b.c")) == changed(expected, source="FirstMessage")
