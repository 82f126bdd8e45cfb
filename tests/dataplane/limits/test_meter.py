"""A session draws from a budget, waits for its turn in it, or is told that it is too much."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate_dataplane.limits.bucket import Bucket
from wsgate_dataplane.limits.meter import (
    ASK_PAUSE_SECONDS,
    ASK_SECONDS,
    RECHECK_SECONDS,
    TURN_SECONDS,
    SessionMeter,
)


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Budget:
    """The budget of one key, and what it was told."""

    def __init__(
        self, clock: Clock, messages: float | None = None, size: float | None = None, *, closes: bool = False
    ) -> None:
        self.messages = None if messages is None else Bucket(messages, messages, clock.now)
        self.bytes = None if size is None else Bucket(size, size, clock.now)
        self.closes = closes
        self.is_divided = False
        self.is_touched = False
        self.asks: list[float] = []
        self.touches = self.pauses = self.gone = 0

    def touch(self) -> None:
        self.touches += 1

    def ask(self, age_seconds: float) -> None:
        self.asks.append(age_seconds)

    def left_by(self) -> None:
        self.gone += 1

    def paused(self) -> None:
        self.pauses += 1


def send_all(meter: SessionMeter, clock: Clock, messages: int, until: float) -> int:
    """Send messages as fast as the meter lets it; how many passed by then."""
    sent = 0
    while sent < messages:
        if meter.left()[0] >= 1 - 1e-6:
            meter.spend(1, 10)
            sent += 1
            continue
        due = meter.wait()
        assert due is not None
        if due > until:
            break
        clock.now = due
    return sent


def test_what_is_not_limited_is_infinite() -> None:
    clock = Clock()
    assert SessionMeter(Budget(clock, messages=5), clock).left() == (5, inf)
    assert SessionMeter(Budget(clock, size=50), clock).left() == (inf, 50)


PAUSES = st.one_of(st.just(0.0), st.floats(0, 0.2), st.floats(0, 30))


@given(st.lists(st.tuples(PAUSES, st.integers(1, 12)), min_size=1, max_size=40))
def test_in_no_stretch_of_time_passes_more_than_the_burst_and_what_flows_in(
    reads: list[tuple[float, int]],
) -> None:
    clock = Clock()
    # Two sessions of one budget: each sees what the other drew.
    budget = Budget(clock, messages=10, size=1000)
    meters, passed = [SessionMeter(budget, clock) for _ in range(2)], []
    for number, (pause, messages) in enumerate(reads):
        clock.now += pause
        if meters[number % 2].covers(messages, 1):
            meters[number % 2].spend(messages, 1)
            passed.append((clock.now, messages))
    for first, (begin, _) in enumerate(passed):
        total = 0
        for end, messages in passed[first:]:
            total += messages
            assert total <= 10 + 10 * (end - begin) + 1e-6


@pytest.mark.parametrize("rate", [1, 1000, 100_000])
@given(steps=st.lists(st.tuples(st.floats(0, 3), st.floats(0, 1)), max_size=40))
def test_what_the_burst_and_the_flow_allow_passes_at_any_rate(rate: int, steps: list[tuple[float, float]]) -> None:
    clock = Clock()
    for burst in (1, 60):
        budget = Budget(clock)
        budget.messages = Bucket(rate, burst, clock.now)
        meter, free, then = SessionMeter(budget, clock), float(burst), clock.now
        for pause, part in steps:
            clock.now += pause**4
            free, then = min(burst, free + rate * (clock.now - then)), clock.now
            messages = max(1, int(part * burst))
            if abs(free - messages) > 1e-3:
                assert meter.covers(messages, 1) == (free > messages)
            if meter.covers(messages, 1):
                meter.spend(messages, 1)
                free -= messages


def test_a_pause_fills_the_budget_once() -> None:
    clock = Clock()
    meter = SessionMeter(Budget(clock, messages=10), clock)
    clock.now += 100
    assert meter.covers(9, 1)
    meter.spend(9, 1)
    assert not meter.covers(2, 1)
    assert meter.covers(1, 1)


def test_a_throttled_client_gets_its_rate_and_is_counted_once_a_pause() -> None:
    clock = Clock()
    budget = Budget(clock, messages=10)
    meter = SessionMeter(budget, clock)
    assert send_all(meter, clock, 1000, until=102) == 30
    assert budget.pauses == 1
    meter.settle()
    assert budget.messages is not None
    assert budget.messages.reserved == 0
    meter.wait()
    assert budget.pauses == 2


def test_at_a_high_rate_nobody_is_woken_for_each_message() -> None:
    clock = Clock()
    meter = SessionMeter(Budget(clock, messages=100_000), clock)
    meter.spend(100_000, 0)
    wakes = 0
    while clock.now < 101:
        due = meter.wait()
        assert due is not None
        clock.now, wakes = due, wakes + 1
        meter.spend(int(meter.left()[0]), 0)
    assert wakes <= 1 / TURN_SECONDS + 1


def test_sessions_that_wait_share_a_budget_in_turn() -> None:
    clock = Clock()
    budget = Budget(clock, messages=10)
    meters = [SessionMeter(budget, clock) for _ in range(4)]
    meters[0].spend(10, 0)
    sent, due = [0] * 4, [clock.now] * 4
    while clock.now < 110:
        turn = min(range(4), key=due.__getitem__)
        clock.now = max(clock.now, due[turn])
        while meters[turn].left()[0] >= 1 - 1e-6:
            meters[turn].spend(1, 0)
            sent[turn] += 1
        then = meters[turn].wait()
        assert then is not None
        due[turn] = then
    assert sum(sent) == pytest.approx(100, abs=2)
    assert max(sent) - min(sent) <= 1


def test_who_comes_later_waits_behind_who_waits() -> None:
    clock = Clock()
    budget = Budget(clock, messages=10)
    waiting, late = SessionMeter(budget, clock), SessionMeter(budget, clock)
    waiting.spend(10, 0)
    assert waiting.wait() == pytest.approx(100.1)
    clock.now = 100.1
    assert late.left()[0] == pytest.approx(0)
    assert waiting.left()[0] == pytest.approx(1)
    assert late.wait() == pytest.approx(100.2)


def test_what_a_session_reserved_is_free_again_when_it_goes() -> None:
    clock = Clock()
    budget = Budget(clock, messages=10)
    meter = SessionMeter(budget, clock)
    meter.spend(10, 0)
    meter.wait()
    meter.stop()
    assert budget.messages is not None
    assert budget.messages.reserved == 0
    assert budget.gone == 1


def test_bytes_are_a_debt_that_is_waited_for() -> None:
    clock = Clock()
    meter = SessionMeter(Budget(clock, size=1000), clock)
    meter.spend(1, 6000)
    due = meter.wait()
    assert due == pytest.approx(105, abs=0.02)
    clock.now = due or 0
    assert meter.left()[1] > 0


def test_the_scarcer_of_messages_and_bytes_says_how_long() -> None:
    clock = Clock()
    meter = SessionMeter(Budget(clock, messages=10, size=1000), clock)
    meter.spend(10, 3000)
    assert meter.wait() == pytest.approx(102, abs=0.02)


def test_a_session_that_exceeds_a_closing_limit_is_closed_at_once() -> None:
    clock = Clock()
    budget = Budget(clock, messages=10, closes=True)
    meter = SessionMeter(budget, clock)
    meter.spend(10, 0)
    assert meter.wait() is None
    assert (budget.pauses, budget.asks) == (0, [])


def test_before_it_is_closed_the_other_pods_are_asked_once() -> None:
    clock = Clock()
    budget = Budget(clock, messages=10, closes=True)
    budget.is_divided = True
    meter = SessionMeter(budget, clock)
    meter.spend(10, 0)
    assert meter.wait() == clock.now + ASK_SECONDS
    assert budget.asks == [0.0]
    clock.now += ASK_SECONDS
    assert meter.wait() is None
    clock.now += ASK_PAUSE_SECONDS
    assert meter.wait() is not None


def test_on_a_shared_budget_a_waiting_session_looks_again_soon() -> None:
    clock = Clock()
    budget = Budget(clock, messages=1)
    budget.is_divided = True
    meter = SessionMeter(budget, clock)
    meter.spend(1, 0)
    assert meter.wait() == clock.now + RECHECK_SECONDS
    assert len(budget.asks) == 1
    assert budget.messages is not None
    clock.now += RECHECK_SECONDS
    meter.wait()
    assert budget.messages.reserved == 1
