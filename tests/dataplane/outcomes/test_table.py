"""The outcomes table is closed and fit for every wire."""

import pytest

from wsgate_dataplane.frames.build import CLOSE_WORDS_BYTES_MAX
from wsgate_dataplane.outcomes.table import OUTCOMES, Outcome, Reason

rows = pytest.mark.parametrize(("reason", "outcome"), OUTCOMES.items(), ids=list(OUTCOMES))


def test_every_reason_has_exactly_one_row() -> None:
    assert list(OUTCOMES) == list(Reason)


@rows
def test_every_row_says_what_to_do_in_a_sentence(reason: Reason, outcome: Outcome) -> None:
    assert outcome.advice.endswith("."), reason
    assert outcome.advice[0].isupper()


@rows
def test_every_code_exists_on_its_wire(reason: Reason, outcome: Outcome) -> None:
    assert outcome.http is None or 400 <= outcome.http <= 599
    # RFC 6455 7.4.1: 1005, 1006 and 1015 never stand in a frame.
    assert outcome.close in {None, 1001, 1002, 1003, 1008, 1009, 1011, 1012, 1013, 1014}
    assert outcome.mqtt5 is None or outcome.mqtt5 >= 0x80
    assert outcome.mqtt311 in {None, 1, 2, 3, 4, 5}


@rows
def test_the_words_fit_into_a_close_frame_and_name_no_detail(reason: Reason, outcome: Outcome) -> None:
    assert len(outcome.words.encode()) <= CLOSE_WORDS_BYTES_MAX
    assert outcome.close is None or outcome.words
