"""Each line of the operator's log is one JSON object."""

import io
import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest

from wsgate_operator.telemetry import log


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root, ours = logging.root, logging.getLogger(log.LOGGER_NAME)
    before = root.handlers, root.level, ours.level
    out = io.StringIO()
    log.configure(out, "INFO")
    yield out
    root.handlers = before[0]
    root.setLevel(before[1])
    ours.setLevel(before[2])


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(text) for text in stream.getvalue().splitlines()]


def test_a_line_holds_time_level_message_and_fields(stream: io.StringIO) -> None:
    logging.getLogger("wsgate.operator").warning("config-applied", extra={"fields": {"version": 7}})
    (found,) = lines(stream)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", found.pop("time"))
    assert found == {"level": "warning", "message": "config-applied", "version": 7}


def test_a_message_with_line_breaks_stays_one_line(stream: io.StringIO) -> None:
    logging.getLogger("wsgate.operator").info("a\nb", extra={"fields": {"detail": 'c\n"d"\u2028'}})
    (found,) = lines(stream)
    assert (found["message"], found["detail"]) == ("a\nb", 'c\n"d"\u2028')


def test_an_exception_becomes_a_traceback_in_the_same_line(stream: io.StringIO) -> None:
    try:
        raise ValueError("boom")
    except ValueError:
        logging.getLogger("wsgate.operator").exception("crashed")
    (found,) = lines(stream)
    assert found["traceback"].endswith("ValueError: boom")


def test_a_field_cannot_forge_the_message_or_the_level(stream: io.StringIO) -> None:
    logging.getLogger("wsgate.operator").info("true", extra={"fields": {"message": "forged", "level": "debug"}})
    (found,) = lines(stream)
    assert (found["message"], found["level"]) == ("true", "info")


def test_other_libraries_are_heard_from_warning_on_and_in_the_same_form(stream: io.StringIO) -> None:
    logging.getLogger("aiohttp.access").info("chatter")
    logging.getLogger("asyncio").warning("slow %s", "callback")
    logging.getLogger("wsgate.operator").debug("chatter")
    assert [found["message"] for found in lines(stream)] == ["slow callback"]


def test_values_that_json_does_not_know_are_written_all_the_same(stream: io.StringIO) -> None:
    logging.getLogger("wsgate.operator").info("odd", extra={"fields": {"set": {1}, "error": ValueError("x")}})
    (found,) = lines(stream)
    assert "x" in found["error"]
