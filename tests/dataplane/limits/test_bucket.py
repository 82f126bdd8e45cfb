"""A bucket lets rate and burst pass, counts debts, and serves who waits in turn."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate_dataplane.limits.bucket import Bucket


def test_a_burst_may_come_at_once_and_then_the_rate() -> None:
    bucket = Bucket(rate=10, burst=30, now=100)
    assert bucket.free(100) == 30
    bucket.draw(30, 100)
    assert bucket.free(100) == 0
    assert bucket.free(100.5) == pytest.approx(5)
    assert bucket.free(1000) == 30


def test_after_a_pause_it_is_full_and_no_fuller() -> None:
    bucket = Bucket(rate=10, burst=30, now=100)
    bucket.draw(29, 100)
    # Without a look in between: what was full does not fill up for what is drawn then.
    bucket.draw(30, 1000)
    assert bucket.free(1000) == 0
    assert bucket.free(1001) == pytest.approx(10)


@given(st.lists(st.tuples(st.floats(0, 3), st.floats(0, 50)), max_size=50))
def test_what_passes_never_exceeds_the_burst_and_what_flows_in(draws: list[tuple[float, float]]) -> None:
    bucket, now, spent = Bucket(10, 30, 0), 0.0, 0.0
    for pause, wanted in draws:
        now += pause
        amount = max(0.0, min(wanted, bucket.free(now)))
        bucket.draw(amount, now)
        spent += amount
        assert spent <= 30 + 10 * now + 1e-6


def test_a_debt_is_paid_before_anything_passes() -> None:
    bucket = Bucket(rate=100, burst=100, now=0)
    bucket.draw(1100, 0)
    assert bucket.free(9.9) < 0
    assert bucket.free(11) == pytest.approx(100)


def test_who_waits_has_its_turn_whoever_else_draws() -> None:
    bucket = Bucket(rate=10, burst=1, now=0)
    bucket.draw(1, 0)
    first, second = bucket.reserve(1, 0), bucket.reserve(1, 0)
    assert bucket.free(0) == -2
    assert bucket.seconds_to(first, 0) == pytest.approx(0.1)
    assert bucket.seconds_to(second, 0) == pytest.approx(0.2)
    assert bucket.seconds_to(first, 0.1) == 0
    bucket.spend_reserved(1)
    assert bucket.free(0.1) == pytest.approx(-1)
    bucket.give_back(1)
    assert bucket.reserved == 0
    assert bucket.free(0.1) == pytest.approx(0)


def test_a_share_is_a_part_of_rate_and_burst_but_at_least_one() -> None:
    bucket = Bucket(rate=10, burst=30, now=0, share=0.5)
    assert bucket.free(0) == 15
    bucket.draw(15, 0)
    assert bucket.free(1) == pytest.approx(5)
    bucket.set_share(0.1, 1)
    assert bucket.free(1) == pytest.approx(3)
    bucket.set_share(1.0, 1)
    assert bucket.free(1) == pytest.approx(3)
    assert Bucket(rate=10, burst=3, now=0, share=0.1).free(0) == 1


def test_a_level_that_pods_agree_on_is_shared_and_counts_what_passed_meanwhile() -> None:
    bucket = Bucket(rate=10, burst=30, now=0, share=0.5)
    bucket.draw(5, 0)
    bucket.told = bucket.spent
    bucket.draw(2, 0)  # while the call was under way
    bucket.set_level(share=0.25, level=20, then=0)
    assert bucket.share == 0.25
    assert bucket.free(0) == pytest.approx(3)
    bucket.told = bucket.spent
    bucket.set_level(share=0.5, level=1000, then=0)
    assert bucket.free(0) == pytest.approx(15)
    place = bucket.reserve(20, 0)
    bucket.set_level(share=0.5, level=-40, then=0)
    assert bucket.free(1) == pytest.approx(-35)
    assert bucket.seconds_to(place, 1) == pytest.approx(7)


def test_the_only_pod_that_draws_knows_the_level_better_than_redis() -> None:
    bucket = Bucket(rate=10, burst=1, now=0)
    bucket.draw(1, 0)
    bucket.told = bucket.spent
    bucket.set_level(share=1.0, level=10, then=0)
    assert bucket.free(0) == 0
    bucket.set_level(share=1.0, level=-5, then=0)
    assert bucket.free(0) == pytest.approx(-5)


def test_a_level_that_is_told_holds_for_its_moment_and_not_for_what_flowed_in_before() -> None:
    bucket = Bucket(rate=10, burst=100, now=0)
    bucket.set_level(share=1.0, level=0, then=10)
    assert bucket.free(10) == 0
    assert bucket.free(11) == pytest.approx(10)


def test_who_goes_out_of_the_line_holds_up_nobody() -> None:
    bucket = Bucket(rate=10, burst=1, now=0)
    bucket.draw(1, 0)
    places = [bucket.reserve(1, 0) for _ in range(5)]
    for _ in range(4):
        bucket.give_back(1)
    assert bucket.seconds_to(places[-1], 0) == pytest.approx(0.1)
    assert bucket.seconds_to(places[-1], 0.1) == 0


def test_it_knows_when_it_is_full_again() -> None:
    bucket = Bucket(rate=10, burst=30, now=0)
    assert bucket.seconds_to_full(0) == 0
    bucket.draw(20, 0)
    assert bucket.seconds_to_full(0) == pytest.approx(2)
