"""What the upstream is told of a token cannot be read as something else."""

from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate_contract.route import Forward
from wsgate_dataplane.admission.forwarding import Roles, identity_headers, roles_of

PATHS = ("realm_access.roles", "resource_access.*.roles", "roles", "groups")
KEYCLOAK: dict[str, Any] = {
    "realm_access": {"roles": ["driver", "offline_access"]},
    "resource_access": {"fleet": {"roles": ["dispatch"]}, "account": {"roles": ["view-profile", "driver"]}},
    "groups": ["/team/robots"],
}


def headers(payload: dict[str, Any], names: tuple[str, ...] = (), **forward: Any) -> list[tuple[str, str]]:
    return list(identity_headers(Forward.from_document(forward), payload, names))


def test_roles_come_from_all_claims_each_once() -> None:
    found = roles_of(KEYCLOAK, PATHS)
    assert found.names == ("driver", "offline_access", "dispatch", "view-profile", "/team/robots")
    assert found.left_out == 0
    assert roles_of({"roles": "single"}, PATHS).names == ("single",)


@pytest.mark.parametrize(
    "payload",
    [{}, {"realm_access": None}, {"realm_access": ["x"]}, {"resource_access": {"a": "b"}}, {"roles": {"a": 1}}],
    ids=str,
)
def test_claims_of_another_form_hold_no_roles(payload: dict[str, Any]) -> None:
    assert roles_of(payload, PATHS) == Roles((), 0)


@pytest.mark.parametrize(
    "role", ["x,admin", "a b", "", "x\r\nX-User-Roles: admin", "rôle", "r" * 129, 'a"b', "a|b"]
)
def test_a_role_that_could_be_read_as_two_is_left_out_and_counted(role: str) -> None:
    assert roles_of({"roles": ["good", role]}, PATHS) == Roles(("good",), 1)


def test_roles_and_claims_become_headers() -> None:
    claims = [{"claim": "sub", "header": "X-User-Id"}, {"claim": "realm_access.roles", "header": "X-Realm"}]
    payload = {"sub": "alice", **KEYCLOAK}
    assert headers(payload, ("driver", "dispatch"), claimToHeaders=claims) == [
        ("X-User-Roles", "driver,dispatch"),
        ("X-User-Id", "alice"),
        ("X-Realm", "driver,offline_access"),
    ]
    assert headers(payload, ("driver",), roles={"header": "X-Roles"}) == [("X-Roles", "driver")]


def test_without_roles_or_claim_there_is_no_header() -> None:
    assert headers({}, claimToHeaders=[{"claim": "email", "header": "X-Email"}]) == []


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_values_are_one_line_of_ascii_and_can_be_read_back(texts: list[str]) -> None:
    ((_, value),) = headers({"names": texts}, claimToHeaders=[{"claim": "names", "header": "X-Names"}])
    assert value.isascii() and (value.isprintable() or not value)
    assert [unquote(part) for part in value.split(",")] == texts
