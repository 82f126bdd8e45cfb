"""Every fault has its status, and a problem body says what a caller needs."""

import json

from wsgate_dataplane.admin.answers import STATUSES, AdminProblem, Fault, answer, problem_answer
from wsgate_dataplane.outcomes.problem import problem
from wsgate_dataplane.outcomes.table import Reason


def body_of(response: object) -> dict[str, object]:
    body: dict[str, object] = json.loads(getattr(response, "body", b""))
    return body


def test_each_fault_has_an_http_status_of_an_error() -> None:
    assert set(STATUSES) == set(Fault)
    assert all(400 <= status < 600 for status in STATUSES.values())


def test_a_problem_is_rfc_9457_with_the_members_of_the_public_listeners() -> None:
    response = problem_answer(AdminProblem(Fault.NOT_RECORDED, "Send it again.", {"Retry-After": "1"}), "r-1")
    assert (response.status, response.content_type) == (503, "application/problem+json")
    assert response.headers["Retry-After"] == "1"
    assert body_of(response) == {
        "type": "urn:wsgate:admin:not-recorded",
        "title": "not recorded",
        "status": 503,
        "detail": "Send it again.",
        "reason": "not-recorded",
        "request_id": "r-1",
    }
    assert list(body_of(response)) == list(problem(Reason.UNEXPECTED, "r-1"))


def test_any_text_can_be_answered() -> None:
    assert body_of(answer({"sub": "\ud800\u0000ü"}, 202)) == {"sub": "\ud800\u0000ü"}
