"""Each answer of an API server is one fault of a closed list, and says the way out."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate_operator.sinks.api_error import DETAIL_MAX, RETRY_AFTER_MAX_SECONDS, ApiError, Fault, error_of_answer

CALL = "patch wsroutes/status team/chat"


def answered(status: int, message: str = "", headers: dict[str, str] | None = None, **fields: object) -> ApiError:
    body = {"kind": "Status", "message": message, **fields}
    return error_of_answer(CALL, status, headers or {}, json.dumps(body).encode())


@pytest.mark.parametrize(
    ("status", "message", "fault", "way_out"),
    [
        (400, "bad", Fault.INVALID, "apply the CustomResourceDefinitions"),
        (401, "Unauthorized", Fault.UNAUTHORIZED, "mount the service account's own"),
        (403, "dev cannot patch", Fault.FORBIDDEN, "grant it to the operator's service account"),
        (404, "not found", Fault.NOT_FOUND, "create the namespace"),
        (409, "modified", Fault.CONFLICT, "read anew"),
        (410, "too old", Fault.GONE, "listed anew"),
        (413, "Request entity too large: limit is 3145728", Fault.TOO_LARGE, "fewer or shorter"),
        (422, "[]: Too long: may not be more than 1048576 bytes", Fault.TOO_LARGE, "fewer or shorter"),
        (422, "status.conditions: Required value", Fault.INVALID, "report this as a defect"),
        (429, "too many requests", Fault.THROTTLED, "pause"),
        (500, "etcdserver: request is too large", Fault.TOO_LARGE, "fewer or shorter"),
        (503, "starting", Fault.SERVER, "API server's log"),
        (302, "moved", Fault.UNEXPECTED, "address"),
    ],
)
def test_an_answer_names_its_fault_the_call_and_the_way_out(
    status: int, message: str, fault: Fault, way_out: str
) -> None:
    error = answered(status, message)
    assert error.fault is fault
    assert str(error).startswith(f"cannot {CALL}: {status} {message}")
    assert way_out in str(error)


@pytest.mark.parametrize(
    ("headers", "details", "seconds"),
    [
        ({"Retry-After": "7"}, {}, 7.0),
        ({}, {"retryAfterSeconds": 3}, 3.0),
        ({"Retry-After": "86400"}, {}, RETRY_AFTER_MAX_SECONDS),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, {}, None),
        ({"Retry-After": "-1"}, {}, None),
        ({}, {}, None),
    ],
)
def test_the_pause_that_is_asked_for_is_bounded(
    headers: dict[str, str], details: dict[str, int], seconds: float | None
) -> None:
    assert answered(429, headers=headers, details=details).retry_after == seconds


def test_long_words_of_the_server_are_cut() -> None:
    assert len(str(answered(500, "x" * 10_000))) < DETAIL_MAX + 200


def test_a_fault_of_one_object_is_not_one_of_the_server() -> None:
    own = {fault for fault in Fault if not fault.is_of_the_server}
    assert own == {Fault.FORBIDDEN, Fault.NOT_FOUND, Fault.CONFLICT, Fault.GONE, Fault.TOO_LARGE, Fault.INVALID}


@given(st.integers(300, 599), st.binary() | st.sampled_from([b"[" * 100_000, b'{"details": [], "message": {}}']))
def test_whatever_a_proxy_answers_becomes_an_error(status: int, body: bytes) -> None:
    assert str(error_of_answer(CALL, status, {}, body))
