"""The log: one JSON object a line."""

import json
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import TextIO

from pydantic_core import to_json

from wsgate_dataplane.values import value

LOGGER_NAME = "wsgate"
RESERVED = frozenset({"time", "level", "message", "traceback"})
_STRINGS = frozenset({str})
_COMPACT = (",", ":")


@value
class Event:
    """One of many of a kind that are logged together."""

    at: float
    """Unix time."""
    fields: dict[str, object]
    """None of them is named like a reserved key."""


class JSONFormatter(logging.Formatter):
    """Renders a record as {"time", "level", "message", the fields, "traceback"}.

    Fields come by `extra={"fields": {...}}`; one named like a reserved key gets the prefix `field_`.
    A record with `extra={"events": [...]}` makes one such line for each Event, of one level and message.
    Whatever the values are, a line comes out: a log that raises would end the session it tells of.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Render one record as one line, or several, without the last newline."""
        level, message = record.levelname.lower(), _message(record)
        events: Sequence[Event] = getattr(record, "events", ())
        if events:
            # What all of the lines say is rendered once.
            shared = _text_of({"level": level, "message": message})[1:-1]
            return "\n".join([_line_of(each, shared) for each in events])
        traceback = None
        if record.exc_info and record.exc_info[0] is not None:
            traceback = self.formatException(record.exc_info)
        return _line(record.created, level, message, getattr(record, "fields", {}), traceback)


def configure(stream: TextIO, level: str = "INFO") -> None:
    """Send the wsgate logger's records of level and above to stream, replacing what was configured before."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JSONFormatter())
    # Documented by the logging HOWTO: facts that our lines do not carry are not gathered.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # no walk through the stack for a file name
    logger = logging.getLogger(LOGGER_NAME)
    logger.handlers = [handler]
    logger.propagate = False
    logger.setLevel(level.upper())


def _line(at: float, level: str, message: str, fields: object, traceback: str | None = None) -> str:
    line: dict[str, object] = {"time": _rfc3339(at), "level": level, "message": message}
    if not isinstance(fields, dict):
        fields = {"fields": fields}
    if RESERVED.isdisjoint(fields) and _STRINGS.issuperset(map(type, fields)):
        line.update(fields)
    else:
        for key, value in fields.items():
            name = key if isinstance(key, str) else _text(key)
            line[f"field_{name}" if name in RESERVED else name] = value
    if traceback is not None:
        line["traceback"] = traceback
    return _text_of(line)


def _line_of(event: Event, shared: str) -> str:
    fields = _text_of(event.fields)[1:] if event.fields else "}"
    return f'{{"time":"{_rfc3339(event.at)}",{shared}{"," if event.fields else ""}{fields}'


def _text_of(line: dict[str, object]) -> str:
    try:
        # A third of what json takes; but ASCII, which fits every stream, is json's.
        text = to_json(line, fallback=_text).decode()
        return text if text.isascii() else json.dumps(line, default=_text, separators=_COMPACT)
    except (TypeError, ValueError, RecursionError):
        # A circular value or an odd key deep inside: keep the line, flatten its values.
        return json.dumps({key: _text(value) for key, value in line.items()}, separators=_COMPACT)


def _rfc3339(seconds: float) -> str:
    whole = int(seconds)
    return f"{_to_the_second(whole)}.{int((seconds - whole) * 1000):03d}Z"


@lru_cache(maxsize=4)
def _to_the_second(seconds: int) -> str:
    """Many lines are written in one second."""
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001  # arguments that do not fit the format may raise anything
        return _text(record.msg)


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001  # a foreign __str__ may raise anything
        return f"<unprintable {type(value).__name__}>"
