"""A refusal's body and headers say what the RFCs demand and no more."""

import json

import pytest

from wsgate_dataplane.outcomes.problem import headers, problem, status
from wsgate_dataplane.outcomes.table import OUTCOMES, Reason


def test_the_body_names_reason_status_advice_and_request() -> None:
    assert problem(Reason.TOKEN_EXPIRED, "r-1") == {
        "type": "urn:wsgate:outcome:token-expired",
        "title": "token expired",
        "status": 401,
        "detail": "Get a new token and reconnect.",
        "reason": "token-expired",
        "request_id": "r-1",
    }


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_makes_a_complete_json_body(reason: Reason) -> None:
    body = json.loads(json.dumps(problem(reason, "r")))
    assert all(body.values())
    assert body["status"] == (OUTCOMES[reason].http or 500)


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        (Reason.TOKEN_MISSING, {"WWW-Authenticate": 'Bearer realm="wsgate"'}),
        (Reason.TOKEN_EXPIRED, {"WWW-Authenticate": 'Bearer realm="wsgate", error="invalid_token"'}),
        (Reason.TOKEN_CLAIM_MISSING, {"WWW-Authenticate": 'Bearer realm="wsgate", error="insufficient_scope"'}),
        (Reason.ORIGIN_NOT_LISTED, {}),
        (Reason.ROUTE_NOT_FOUND, {}),
        (Reason.METHOD_NOT_ALLOWED, {"Allow": "GET"}),
        (Reason.REVOCATION_STALE, {"Retry-After": "17"}),
    ],
)
def test_the_status_brings_its_headers(reason: Reason, expected: dict[str, str]) -> None:
    assert headers(reason, retry_after_seconds=17) == expected


@pytest.mark.parametrize("reason", [reason for reason in Reason if status(reason) == 426])
def test_an_upgrade_demand_names_protocol_and_version(reason: Reason) -> None:
    found = headers(reason, retry_after_seconds=5)
    assert found == {"Upgrade": "websocket", "Connection": "Upgrade, close", "Sec-WebSocket-Version": "13"}


@pytest.mark.parametrize("reason", [reason for reason in Reason if status(reason) == 401])
def test_every_401_carries_a_challenge(reason: Reason) -> None:
    # RFC 9110 15.5.2: a 401 must.
    assert headers(reason, retry_after_seconds=5)["WWW-Authenticate"].startswith("Bearer ")
