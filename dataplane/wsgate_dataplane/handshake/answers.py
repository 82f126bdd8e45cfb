"""A refusal as an HTTP answer: a problem body (RFC 9457) with its headers."""

import json

from aiohttp import web

from wsgate_dataplane.outcomes.problem import PROBLEM_CONTENT_TYPE, headers, problem, status
from wsgate_dataplane.outcomes.table import Reason


def refusal_response(reason: Reason, request_id: str, retry_after_seconds: int) -> web.Response:
    """The connection closes with it: what follows a refused handshake is not HTTP."""
    response = web.Response(
        status=status(reason),
        body=json.dumps(problem(reason, request_id)).encode(),
        content_type=PROBLEM_CONTENT_TYPE,
        headers={
            "Server": "wsgate",
            "X-Request-Id": request_id,
            **headers(reason, retry_after_seconds=retry_after_seconds),
        },
    )
    response.force_close()
    return response
