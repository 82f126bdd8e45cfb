"""Sessions are shared by weight among the upstreams that may be dialled."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from wsgate_dataplane.upstreams.circuit import Circuit
from wsgate_dataplane.upstreams.dial import Target
from wsgate_dataplane.upstreams.pool import Pool, Upstream


def weighted(*weights: int) -> Pool:
    return Pool(
        [
            Upstream(Target.from_url(f"ws://{number}.test"), weight, Circuit(1, 60, 30))
            for number, weight in enumerate(weights)
        ]
    )


def host_of(upstream: Upstream | None) -> str | None:
    return None if upstream is None else upstream.target.host


def test_sessions_are_shared_by_weight() -> None:
    pool = weighted(1, 0, 3)
    chosen = Counter(host_of(pool.choose(step / 1000, 0)) for step in range(1000))
    assert chosen == {"0.test": 250, "2.test": 750}


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=16), st.floats(0, 1, exclude_max=True))
def test_a_weight_of_zero_is_never_chosen_unless_all_are_zero(weights: list[int], random: float) -> None:
    chosen = host_of(weighted(*weights).choose(random, 0))
    assert chosen is not None
    if any(weights):
        assert weights[int(chosen.partition(".")[0])] > 0
    else:
        assert chosen == "0.test"


def test_those_that_have_failed_or_are_open_are_left_out() -> None:
    pool = weighted(1, 0, 3)
    first, _, third = pool
    assert host_of(pool.choose(0.0, 0, {first.target})) == "2.test"
    assert host_of(pool.choose(0.99, 0, {third.target})) == "0.test"
    assert pool.choose(0.5, 0, {first.target, third.target}) is None, "the spare one has no weight"
    third.circuit.failed(third.circuit.begin(), 100)
    assert host_of(pool.choose(0.99, 110)) == "0.test"
    first.circuit.failed(first.circuit.begin(), 120)
    assert pool.choose(0.5, 130) is None
    assert pool.seconds_left(130) == 30
    assert host_of(pool.choose(0.5, 160)) == "2.test"
