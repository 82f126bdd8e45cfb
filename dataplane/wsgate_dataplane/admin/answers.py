"""Answers of the admin API: JSON that no cache keeps, and problem bodies (RFC 9457)."""

import json
from collections.abc import Mapping
from enum import StrEnum, unique

from aiohttp import web

from wsgate_dataplane.outcomes.problem import PROBLEM_CONTENT_TYPE

FACTS: web.RequestKey[dict[str, object]] = web.RequestKey("facts", dict[str, object])
"""Fields that a handler adds to the audit line of its request."""


@unique
class Fault(StrEnum):
    """Why a request to the admin API was not done; stable names."""

    BODY_INVALID = "body-invalid"
    QUERY_INVALID = "query-invalid"
    ADMIN_TOKEN_MISSING = "admin-token-missing"
    ADMIN_TOKEN_WRONG = "admin-token-wrong"
    ADMIN_TOKEN_NOT_CONFIGURED = "admin-token-not-configured"
    PAGE_NOT_FOUND = "page-not-found"
    SESSION_NOT_FOUND = "session-not-found"
    METHOD_NOT_ALLOWED = "method-not-allowed"
    TOO_MANY_FAILURES = "too-many-failures"
    UNEXPECTED = "unexpected"
    NOT_RECORDED = "not-recorded"


STATUSES: dict[Fault, int] = {
    Fault.BODY_INVALID: 400,
    Fault.QUERY_INVALID: 400,
    Fault.ADMIN_TOKEN_MISSING: 401,
    Fault.ADMIN_TOKEN_WRONG: 401,
    Fault.ADMIN_TOKEN_NOT_CONFIGURED: 403,
    Fault.PAGE_NOT_FOUND: 404,
    Fault.SESSION_NOT_FOUND: 404,
    Fault.METHOD_NOT_ALLOWED: 405,
    Fault.TOO_MANY_FAILURES: 429,
    Fault.UNEXPECTED: 500,
    Fault.NOT_RECORDED: 503,
}


class AdminProblem(Exception):
    """A request is not done; detail names what was wrong and the way out, and is sent to the caller."""

    def __init__(self, fault: Fault, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{fault}: {detail}")
        self.fault = fault
        self.detail = detail
        self.headers = dict(headers or {})

    @property
    def status(self) -> int:
        """The HTTP status."""
        return STATUSES[self.fault]


def answer(document: Mapping[str, object], status: int = 200) -> web.Response:
    """A JSON document."""
    # Escaped to ASCII: whatever text a token held, the answer can be encoded.
    return web.Response(status=status, body=json.dumps(document).encode(), content_type="application/json")


def problem_answer(problem: AdminProblem, request_id: str) -> web.Response:
    """The body has the members of a refusal's on the public listener."""
    body = {
        "type": f"urn:wsgate:admin:{problem.fault}",
        "title": str(problem.fault).replace("-", " "),
        "status": problem.status,
        "detail": problem.detail,
        "reason": str(problem.fault),
        "request_id": request_id,
    }
    response = answer(body, problem.status)
    response.content_type = PROBLEM_CONTENT_TYPE
    response.headers.update(problem.headers)
    return response
