"""Plain HTTP answers: a refusal with its problem body (RFC 9457), and health."""

import json
from collections.abc import Mapping
from email.utils import formatdate
from http.client import responses

from wsgate_dataplane.outcomes.problem import PROBLEM_CONTENT_TYPE, headers, problem, status
from wsgate_dataplane.outcomes.table import Reason


def refusal_answer(reason: Reason, request_id: str, retry_after_seconds: int, *, is_head: bool = False) -> bytes:
    """The whole answer; the connection closes with it. is_head: without the body (RFC 9110 9.3.2)."""
    body = json.dumps(problem(reason, request_id)).encode()
    fields = {
        "Content-Type": PROBLEM_CONTENT_TYPE,
        "X-Request-Id": request_id,
        **headers(reason, retry_after_seconds=retry_after_seconds),
    }
    return _answer(status(reason), fields, body, is_head=is_head)


def health_answer(*, is_head: bool = False) -> bytes:
    """200 ok."""
    return _answer(200, {"Content-Type": "text/plain; charset=utf-8"}, b"ok\n", is_head=is_head)


def _answer(code: int, fields: Mapping[str, str], body: bytes, *, is_head: bool) -> bytes:
    sent = {
        "Server": "wsgate",
        "Date": formatdate(usegmt=True),
        "Connection": "close",
        "Content-Length": str(len(body)),
        **fields,
    }
    phrase = responses.get(code, "")
    lines = [f"HTTP/1.1 {code} {phrase}", *(f"{name}: {value}" for name, value in sent.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + (b"" if is_head else body)
