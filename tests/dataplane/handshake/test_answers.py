"""A refusal leaves as a problem body with the headers that its status demands."""

import json

import pytest

from wsgate_dataplane.handshake.answers import refusal_response
from wsgate_dataplane.outcomes.problem import headers, problem, status
from wsgate_dataplane.outcomes.table import Reason


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_an_answer_with_its_status_body_and_headers(reason: Reason) -> None:
    answer = refusal_response(reason, "r-1", 17)
    assert answer.status == status(reason)
    assert answer.content_type == "application/problem+json"
    assert isinstance(answer.body, bytes)
    assert json.loads(answer.body) == problem(reason, "r-1")
    expected = {"X-Request-Id": "r-1", **headers(reason, retry_after_seconds=17)}
    assert {name: answer.headers[name] for name in expected} == expected


@pytest.mark.parametrize("reason", Reason)
def test_the_connection_closes_with_every_refusal(reason: Reason) -> None:
    assert refusal_response(reason, "r-1", 5).keep_alive is False


def test_a_busy_gateway_says_when_to_come_back() -> None:
    assert refusal_response(Reason.DRAINING, "r-1", 17).headers["Retry-After"] == "17"


def test_a_refused_token_is_answered_with_a_challenge() -> None:
    assert refusal_response(Reason.TOKEN_MISSING, "r-1", 5).headers["WWW-Authenticate"].startswith("Bearer")
