"""The operator's log: one JSON object a line, with the same keys as the data plane's."""

import logging
from datetime import UTC, datetime
from typing import Any, TextIO

from pythonjsonlogger.json import JsonFormatter

LOGGER_NAME = "wsgate"


class LineFormatter(JsonFormatter):
    """Renders a record as {"time", "level", "message", the fields, "traceback"}."""

    def add_fields(
        self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]
    ) -> None:
        """Fields come by `extra={"fields": {...}}` and stand beside the message."""
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        log_data["time"] = moment.replace("+00:00", "Z")
        log_data["level"] = record.levelname.lower()
        log_data["message"] = record.getMessage()
        for name, value in getattr(record, "fields", {}).items():
            log_data.setdefault(name, value)
        if record.exc_info:
            log_data["traceback"] = self.formatException(record.exc_info)


def configure(stream: TextIO, level: str) -> None:
    """Send all records of level and above to stream, other libraries' from WARNING on."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LineFormatter())
    logging.root.handlers = [handler]
    logging.root.setLevel(logging.WARNING)
    ours = logging.getLogger(LOGGER_NAME)
    ours.handlers, ours.propagate = [], True
    ours.setLevel(level)
