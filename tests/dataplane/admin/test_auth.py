"""Only the holder of the token passes, and guessing is bounded without locking the holder out."""

import hashlib
from hmac import compare_digest

import pytest
from pydantic import SecretStr

from tests.dataplane.admin.desk import TOKEN
from wsgate_dataplane.admin import auth
from wsgate_dataplane.admin.answers import AdminProblem, Fault
from wsgate_dataplane.admin.auth import FAILURES_MAX, Guard
from wsgate_dataplane.admission.failures import WINDOW_SECONDS

RIGHT = (f"Bearer {TOKEN}",)
WRONG = ("Bearer wrong",)


def fault(
    guard: Guard, authorization: tuple[str, ...], address: str = "192.0.2.1", now: float = 0
) -> AdminProblem:
    with pytest.raises(AdminProblem) as caught:
        guard.check(authorization, address, now)
    return caught.value


def guess(guard: Guard, count: int, address: str = "192.0.2.1", now: float = 0) -> list[Fault]:
    return [fault(guard, WRONG, address, now).fault for _ in range(count)]


@pytest.mark.parametrize("header", [f"Bearer {TOKEN}", f"bearer {TOKEN}", f"BEARER   {TOKEN}"])
def test_the_right_token_passes_and_names_its_actor_by_a_fingerprint(header: str) -> None:
    actor = Guard(SecretStr(TOKEN)).check((header,), "192.0.2.1", 0)
    assert actor == f"token-{hashlib.sha256(TOKEN.encode()).hexdigest()[:12]}"


def test_a_token_beyond_ascii_passes_as_its_bytes_came() -> None:
    as_decoded = "schlüssel".encode("latin-1").decode("utf-8", "surrogateescape")
    Guard(SecretStr(as_decoded)).check((f"Bearer {as_decoded}",), "192.0.2.1", 0)


@pytest.mark.parametrize("token", [None, SecretStr("")], ids=["none", "an empty file"])
@pytest.mark.parametrize("authorization", [(), RIGHT, ("Bearer ",), ("Bearer",)])
def test_without_a_configured_token_nobody_passes_and_the_setting_is_named(
    token: SecretStr | None, authorization: tuple[str, ...]
) -> None:
    problem = fault(Guard(token), authorization)
    assert (problem.status, problem.fault) == (403, Fault.ADMIN_TOKEN_NOT_CONFIGURED)
    assert "set WSGATE_ADMIN_TOKEN, or WSGATE_ADMIN_TOKEN_FILE" in problem.detail


def test_without_a_token_the_challenge_has_no_error() -> None:
    problem = fault(Guard(SecretStr(TOKEN)), ())
    assert (problem.status, problem.fault) == (401, Fault.ADMIN_TOKEN_MISSING)
    assert problem.headers == {"WWW-Authenticate": 'Bearer realm="wsgate"'}


@pytest.mark.parametrize(
    "authorization",
    [
        WRONG,
        (f"Bearer {TOKEN}x",),
        (f"Bearer {TOKEN[:-1]}",),
        (f"Bearer {TOKEN.upper()}",),
        (f"Basic {TOKEN}",),
        (f"Bearer{TOKEN}",),
        (TOKEN,),
        ("",),
        ("Bearer",),
        ("Bearer \udcff",),
        RIGHT * 2,
        (RIGHT[0], WRONG[0]),
    ],
)
def test_anything_but_exactly_the_token_is_refused(authorization: tuple[str, ...]) -> None:
    problem = fault(Guard(SecretStr(TOKEN)), authorization)
    assert (problem.status, problem.fault) == (401, Fault.ADMIN_TOKEN_WRONG)
    assert problem.headers == {"WWW-Authenticate": 'Bearer realm="wsgate", error="invalid_token"'}
    assert TOKEN not in problem.detail


def test_tokens_are_compared_as_digests_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def watched(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return compare_digest(one, other)

    monkeypatch.setattr(auth, "compare_digest", watched)
    guard = Guard(SecretStr(TOKEN))
    guard.check(RIGHT, "192.0.2.1", 0)
    fault(guard, WRONG)
    assert len(compared) == 2
    # Of one length whatever was sent: the length of the token cannot be measured either.
    assert {len(each) for pair in compared for each in pair} == {32}


def test_a_source_that_guesses_is_not_listened_to_until_its_window_ends() -> None:
    guard = Guard(SecretStr(TOKEN))
    assert guess(guard, FAILURES_MAX) == [Fault.ADMIN_TOKEN_WRONG] * FAILURES_MAX
    problem = fault(guard, RIGHT, now=WINDOW_SECONDS - 1.5)
    assert (problem.status, problem.fault) == (429, Fault.TOO_MANY_FAILURES)
    assert problem.headers == {"Retry-After": "2"}
    guard.check(RIGHT, "192.0.2.1", WINDOW_SECONDS)


def test_a_stranger_who_guesses_does_not_lock_the_owner_out() -> None:
    guard = Guard(SecretStr(TOKEN))
    guess(guard, FAILURES_MAX + 1, "192.0.2.1")
    guard.check(RIGHT, "192.0.2.2", 0)


def test_requests_without_a_token_do_not_count_as_guesses() -> None:
    guard = Guard(SecretStr(TOKEN))
    for _ in range(FAILURES_MAX + 1):
        fault(guard, ())
    guard.check(RIGHT, "192.0.2.1", 0)


def test_a_new_window_begins_with_the_first_failure_after_the_old_one() -> None:
    guard = Guard(SecretStr(TOKEN))
    guess(guard, FAILURES_MAX - 1, now=0)
    assert guess(guard, FAILURES_MAX, now=WINDOW_SECONDS) == [Fault.ADMIN_TOKEN_WRONG] * FAILURES_MAX
    assert guess(guard, 1, now=WINDOW_SECONDS) == [Fault.TOO_MANY_FAILURES]


def test_addresses_of_one_ipv6_network_are_one_source() -> None:
    guard = Guard(SecretStr(TOKEN))
    for host in range(FAILURES_MAX):
        fault(guard, WRONG, f"2001:db8:0:1::{host:x}")
    assert fault(guard, RIGHT, "2001:db8:0:1:ffff::1").fault is Fault.TOO_MANY_FAILURES
    guard.check(RIGHT, "2001:db8:0:2::1", 0)


@pytest.mark.parametrize("address", ["::ffff:192.0.2.1", "fe80::1%eth0", "", "not an address"])
def test_any_address_is_a_source(address: str) -> None:
    guard = Guard(SecretStr(TOKEN))
    assert guess(guard, FAILURES_MAX + 1, address)[-1] is Fault.TOO_MANY_FAILURES


def test_two_ipv4_clients_of_a_dual_stack_socket_are_two_sources() -> None:
    guard = Guard(SecretStr(TOKEN))
    guess(guard, FAILURES_MAX, "::ffff:192.0.2.1")
    guard.check(RIGHT, "::ffff:192.0.2.2", 0)
