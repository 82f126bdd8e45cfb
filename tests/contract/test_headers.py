"""Which headers no route may send as it likes, however they are spelled."""

import pytest

from wsgate_contract.headers import is_reserved, plain


@pytest.mark.parametrize("name", ["Host", "x-forwarded-for", "X_Forwarded_For", "Via", "Sec-WebSocket-Key"])
def test_the_gateways_and_the_connections_own_are_reserved(name: str) -> None:
    assert is_reserved(name)


@pytest.mark.parametrize("name", ["X-User-Roles", "Origin", "X-Host", "Sec-Fetch-Mode"])
def test_others_are_free(name: str) -> None:
    assert not is_reserved(name)


def test_two_spellings_that_upstreams_mix_up_are_one() -> None:
    assert plain("X_User-Id") == plain("x-user-id") == "x-user-id"
