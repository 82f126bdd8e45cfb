"""POST /admin/drain and PUT /admin/log-level: what is asked of the process itself."""

import logging
from typing import Literal

from aiohttp import web

from wsgate_contract.model import Value
from wsgate_dataplane.admin.answers import FACTS, answer
from wsgate_dataplane.admin.body import read_body
from wsgate_dataplane.admin.parts import AdminParts
from wsgate_dataplane.telemetry.log import LOGGER_NAME

EXAMPLE = '{"level": "warning"}; there are debug, info, warning and error'


class LogLevel(Value):
    """The body of a changed log level."""

    level: Literal["debug", "info", "warning", "error"]


class Process:
    """Drains this process and sets its log level; both end with it."""

    def __init__(self, parts: AdminParts) -> None:
        self._parts = parts

    async def drain(self, request: web.Request) -> web.Response:
        """202 with the number of sessions and the seconds within which all are told to go. Twice is harmless."""
        sessions = len(self._parts.registry)
        seconds = self._parts.drain()
        request[FACTS]["sessions"] = sessions
        return answer({"pod": self._parts.pod, "sessions": sessions, "withinSeconds": round(seconds, 3)}, 202)

    async def set_log_level(self, request: web.Request) -> web.Response:
        """200 with the level that holds now; 400 as AdminProblem."""
        wanted = await read_body(request, LogLevel, EXAMPLE)
        request[FACTS]["level"] = wanted.level
        logging.getLogger(LOGGER_NAME).setLevel(wanted.level.upper())
        return answer({"pod": self._parts.pod, "level": wanted.level})
