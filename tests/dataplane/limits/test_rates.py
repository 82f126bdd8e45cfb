"""A route's own rates win over the environment's."""

from wsgate_contract.route import RateLimit
from wsgate_dataplane.limits.rates import Rate, Rates, rates_of


def test_nothing_is_limited_where_nobody_says_so() -> None:
    assert rates_of(None, None, None) is None
    assert rates_of(None, None, 30) is None


def test_the_environment_holds_where_the_route_gives_no_rate_of_messages() -> None:
    assert rates_of(None, 10, 30) == Rates(Rate(10, 30), None, "Subject", closes=False)
    limit = RateLimit(bytes_per_second=500, key="IP", on_exceed="Close")
    assert rates_of(limit, 10, None) == Rates(Rate(10, 10), Rate(500, 500), "IP", closes=True)


def test_a_routes_rate_comes_with_its_own_burst() -> None:
    assert rates_of(RateLimit(messages_per_second=5), 10, 30) == Rates(Rate(5, 5), None)
    assert rates_of(RateLimit(messages_per_second=5, burst=7), 10, 30) == Rates(Rate(5, 7), None)
