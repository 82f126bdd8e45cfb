"""What is not known yet of an attempt is None."""

from typing import cast

from wsgate_dataplane.handshake.attempt import Attempt
from wsgate_dataplane.handshake.front import Front


def test_a_new_attempt_is_raw_and_knows_nothing() -> None:
    attempt = Attempt(cast("Front", None))
    assert attempt.protocol == "raw"
    assert (attempt.request, attempt.serving, attempt.offer, attempt.mqtt) == (None,) * 4
