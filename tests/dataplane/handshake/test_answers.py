"""A refusal leaves as a problem body with the headers that its status demands."""

import json
from email.message import Message
from email.parser import BytesParser

import pytest

from wsgate_dataplane.handshake.answers import health_answer, refusal_answer
from wsgate_dataplane.outcomes.problem import headers, problem, status
from wsgate_dataplane.outcomes.table import Reason


def read(answer: bytes) -> tuple[str, Message, bytes]:
    """Status line, headers, body."""
    line, _, rest = answer.partition(b"\r\n")
    head, _, body = rest.partition(b"\r\n\r\n")
    return line.decode(), BytesParser().parsebytes(head), body


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_an_answer_with_its_status_body_and_headers(reason: Reason) -> None:
    line, fields, body = read(refusal_answer(reason, "r-1", 17))
    assert line.startswith(f"HTTP/1.1 {status(reason)} ")
    assert fields["Content-Type"] == "application/problem+json"
    assert json.loads(body) == problem(reason, "r-1")
    assert fields["Content-Length"] == str(len(body))
    expected = {"X-Request-Id": "r-1", **headers(reason, retry_after_seconds=17)}
    assert {name: fields[name] for name in expected} == expected


@pytest.mark.parametrize("reason", Reason)
def test_the_connection_closes_with_every_refusal(reason: Reason) -> None:
    _, fields, _ = read(refusal_answer(reason, "r-1", 5))
    assert "close" in fields.get_all("Connection", [])[0]
    assert len(fields.get_all("Connection", [])) == 1


def test_a_busy_gateway_says_when_to_come_back() -> None:
    assert read(refusal_answer(Reason.DRAINING, "r-1", 17))[1]["Retry-After"] == "17"


def test_a_refused_token_is_answered_with_a_challenge() -> None:
    assert read(refusal_answer(Reason.TOKEN_MISSING, "r-1", 5))[1]["WWW-Authenticate"].startswith("Bearer")


def test_a_head_request_gets_the_headers_alone() -> None:
    line, fields, body = read(health_answer(is_head=True))
    assert (line, fields["Content-Length"], body) == ("HTTP/1.1 200 OK", "3", b"")
    assert read(health_answer())[2] == b"ok\n"
