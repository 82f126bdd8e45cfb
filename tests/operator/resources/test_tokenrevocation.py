"""A TokenRevocation selects tokens and does not contradict itself."""

from typing import Any

import pytest

from tests.operator.objects import revocation
from wsgate_operator.resources.invalid import InvalidObject

MOMENT = "2026-01-31T18:00:00Z"
LATER = "2026-01-31T20:00:01+02:00"
SHA256 = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    "spec",
    [
        {"jti": "x"},
        {"subject": "alice"},
        {"sessionID": "s"},
        {"tokenSHA256": SHA256},
        {"claim": {"claim": "tenant", "value": "acme"}},
        {"issuer": "https://id", "issuedBefore": MOMENT},
        {"subject": "alice", "issuedBefore": MOMENT, "expiresAt": LATER, "reason": {"code": "Logout"}},
    ],
)
def test_each_matcher_selects_tokens_by_itself(spec: dict[str, Any]) -> None:
    revocation(**spec)


@pytest.mark.parametrize(
    ("spec", "path", "says"),
    [
        ({}, "spec", "nothing selects a token; add one of jti, subject"),
        ({"issuer": "https://id"}, "spec", "issuer alone selects no token; add issuedBefore"),
        ({"issuedBefore": MOMENT}, "spec", "issuedBefore alone selects no token; add one of"),
        ({"expiresAt": MOMENT}, "spec", "nothing selects a token"),
        (
            {"jti": "x", "issuedBefore": MOMENT, "expiresAt": "2026-01-31T20:00:00+02:00"},
            "spec",
            "is not after issuedBefore 2026-01-31T18:00:00Z; set a later expiresAt or leave it out",
        ),
        ({"jti": ""}, "spec.jti", "expected a length of at least 1"),
        ({"tokenSHA256": "ab"}, "spec.tokenSHA256", "expected"),
        ({"tokenSHA256": SHA256.upper()}, "spec.tokenSHA256", "write it in lower case"),
        ({"jti": "x", "reason": {"code": "logout"}}, "spec.reason.code", 'write "Logout"'),
        ({"sub": "alice"}, "spec.sub", "unknown field"),
    ],
)
def test_a_contradiction_names_field_and_fix(spec: dict[str, Any], path: str, says: str) -> None:
    with pytest.raises(InvalidObject) as caught:
        revocation(**spec)
    assert path in [fault.path for fault in caught.value.errors]
    assert says in str(caught.value)
