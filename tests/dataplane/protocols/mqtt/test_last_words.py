"""What an MQTT client is told, as frames."""

import pytest

from wsgate_dataplane.outcomes.table import OUTCOMES, Reason
from wsgate_dataplane.protocols.mqtt.last_words import MQTTClient, last_words, refusal_frame


@pytest.mark.parametrize("reason", Reason, ids=str)
def test_every_outcome_has_words_that_fit_a_client_with_small_packets(reason: Reason) -> None:
    outcome = OUTCOMES[reason]
    for level in (3, 4, 5):
        client = MQTTClient(level, max_packet_bytes=5)
        said = last_words(client, outcome)
        assert said.before_connack == refusal_frame(client, outcome)
        for words in said:
            assert not words or (words[0] == 0x82 and 2 <= words[1] <= 5)


def test_mqtt_5_is_told_the_reason_and_older_ones_have_no_word_for_a_sessions_end() -> None:
    revoked = OUTCOMES[Reason.TOKEN_REVOKED]
    assert last_words(MQTTClient(4), revoked).after_connack == b""
    said = last_words(MQTTClient(5), revoked)
    assert said.after_connack[2] == 0xE0 and b"token revoked" in said.after_connack
    assert said.before_connack[2] == 0x20 and b"token revoked" in said.before_connack
