"""A log line is one JSON object, whatever it is asked to say."""

import io
import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate_dataplane.telemetry import log


class Hostile:
    """Fails when shown."""

    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    logger = logging.getLogger(log.LOGGER_NAME)
    before = logger.handlers, logger.propagate, logger.level
    out = io.StringIO()
    log.configure(out, "info")
    yield out
    logger.handlers, logger.propagate = before[0], before[1]
    logger.setLevel(before[2])


def line(stream: io.StringIO) -> dict[str, Any]:
    (text,) = stream.getvalue().splitlines()
    parsed: dict[str, Any] = json.loads(text)
    return parsed


def rendered(message: object, args: tuple[object, ...] = (), fields: object = None) -> dict[str, Any]:
    record = logging.LogRecord(log.LOGGER_NAME, logging.INFO, "", 0, message, args, None)
    record.fields = fields
    text = log.JSONFormatter().format(record)
    assert "\n" not in text
    parsed: dict[str, Any] = json.loads(text)
    return parsed


def test_a_line_holds_time_level_message_and_fields(stream: io.StringIO) -> None:
    logging.getLogger(log.LOGGER_NAME).warning(
        "refused", extra={"fields": {"reason": "token-missing", "status": 401}}
    )
    found = line(stream)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", found.pop("time"))
    assert found == {"level": "warning", "message": "refused", "reason": "token-missing", "status": 401}


def test_an_exception_becomes_a_traceback_in_the_same_line(stream: io.StringIO) -> None:
    try:
        raise ValueError("boom")
    except ValueError:
        logging.getLogger(log.LOGGER_NAME).exception("unexpected")
    assert line(stream)["traceback"].endswith("ValueError: boom")


def test_records_below_the_level_are_not_written(stream: io.StringIO) -> None:
    logging.getLogger(log.LOGGER_NAME).debug("chatter")
    assert stream.getvalue() == ""


def test_configuring_twice_does_not_write_twice(stream: io.StringIO) -> None:
    log.configure(stream, "INFO")
    logging.getLogger(log.LOGGER_NAME).info("once")
    assert line(stream)["message"] == "once"


def test_a_field_cannot_forge_the_message_or_the_level() -> None:
    found = rendered("true", fields={"message": "forged", "level": "debug"})
    assert (found["message"], found["field_message"], found["level"]) == ("true", "forged", "info")


def test_odd_values_are_written_as_text() -> None:
    circular: dict[str, object] = {}
    circular["self"] = circular
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    assert rendered("x", fields={"v": Hostile()})["v"] == "<unprintable Hostile>"
    assert "self" in rendered("x", fields={"v": circular})["v"]
    assert rendered("x", fields={"v": deep})["message"] == "x"
    assert rendered("x", fields={"v": {(1, 2): 3}})["v"] == {"1,2": 3}
    assert rendered("x", fields={Hostile(): 1})["<unprintable Hostile>"] == 1
    assert rendered("x", fields=7)["fields"] == 7


def test_all_lines_are_compact_and_ascii_whatever_they_hold() -> None:
    for value in ("plain", "gr\u00fc\u00df", "\ud800", {("odd",): object()}):
        record = logging.LogRecord(log.LOGGER_NAME, logging.INFO, "", 0, "x", (), None)
        record.fields = {"v": value}
        text = log.JSONFormatter().format(record)
        assert text.isascii()
        assert ',"level":"info","message":"x","v":' in text


def test_arguments_that_do_not_fit_leave_the_bare_message() -> None:
    assert rendered("%d and %d", ("x",))["message"] == "%d and %d"
    assert rendered("%s", (Hostile(),))["message"] == "%s"


@given(st.text(), st.dictionaries(st.text(), st.text() | st.binary() | st.floats() | st.none()))
def test_any_text_makes_one_parsable_line(message: str, fields: dict[str, object]) -> None:
    assert rendered(message, fields=fields)["message"] == message


def test_events_make_a_line_each_with_its_own_time_and_fields() -> None:
    record = logging.LogRecord(log.LOGGER_NAME, logging.INFO, "", 0, 'say "it"', (), None)
    record.events = [log.Event(1.25, {"a": 1}), log.Event(2.5, {}), log.Event(3, {"b": "gr\u00fc\u00df"})]
    text = log.JSONFormatter().format(record)
    assert text.isascii()
    same = {"level": "info", "message": 'say "it"'}
    assert [json.loads(each) for each in text.split("\n")] == [
        {"time": "1970-01-01T00:00:01.250Z", **same, "a": 1},
        {"time": "1970-01-01T00:00:02.500Z", **same},
        {"time": "1970-01-01T00:00:03.000Z", **same, "b": "gr\u00fc\u00df"},
    ]
