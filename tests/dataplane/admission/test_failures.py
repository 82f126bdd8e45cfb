"""One source that fails too often is not looked at for a while; no other is hurt."""

import pytest

from wsgate_dataplane.admission.failures import WINDOW_SECONDS, FailureLimit, source_of


def failed(count: int, address: str = "192.0.2.1", *, sources_max: int = 100) -> FailureLimit:
    limit = FailureLimit(3, sources_max)
    for _ in range(count):
        limit.failed(address, 10)
    return limit


def test_a_source_is_blocked_until_its_window_ends() -> None:
    assert failed(2).blocked_seconds("192.0.2.1", 11) == 0
    limit = failed(3)
    assert limit.blocked_seconds("192.0.2.1", 11) == WINDOW_SECONDS - 1
    assert limit.blocked_seconds("192.0.2.2", 11) == 0
    assert limit.blocked_seconds("192.0.2.1", 10 + WINDOW_SECONDS) == 0


def test_the_memory_of_sources_is_bounded_and_the_oldest_is_forgotten() -> None:
    limit = failed(3, sources_max=3)
    for number in range(2):
        limit.failed(f"198.51.100.{number}", 10)
    assert limit.blocked_seconds("192.0.2.1", 10) == WINDOW_SECONDS
    limit.failed("198.51.100.9", 10)
    assert limit.blocked_seconds("192.0.2.1", 10) == 0


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:0:1:ffff::1", "2001:db8:0:1::/64"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.1"),
        ("", ""),
        ("no address", "no address"),
    ],
)
def test_any_address_is_a_source_and_an_ipv6_network_is_one(address: str, source: str) -> None:
    assert source_of(address) == source
