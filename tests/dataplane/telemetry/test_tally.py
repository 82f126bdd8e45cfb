"""Whoever reads the metrics sees all that was noted."""

from prometheus_client import Counter, Histogram, generate_latest

from wsgate_dataplane.telemetry.tally import VALUES_MAX, TallyingRegistry


def test_a_read_shows_what_was_noted_once() -> None:
    registry = TallyingRegistry()
    closes = Counter("closes", "Text.", ("reason",), registry=registry)
    tally = registry.tally(closes.labels("lost"))
    seconds = registry.observations(Histogram("seconds", "Text.", buckets=(1, 5), registry=registry))
    tally.count += 2
    seconds.note(0.5)
    seconds.note(3)
    for _ in range(2):
        assert registry.get_sample_value("closes_total", {"reason": "lost"}) == 2
        assert registry.get_sample_value("seconds_count") == 2
        assert registry.get_sample_value("seconds_bucket", {"le": "1.0"}) == 1
        assert registry.get_sample_value("seconds_sum") == 3.5
    tally.count += 1
    assert b'closes_total{reason="lost"} 3.0' in generate_latest(registry)


def test_observations_that_nobody_reads_do_not_pile_up() -> None:
    registry = TallyingRegistry()
    histogram = Histogram("seconds", "Text.", registry=registry)
    seconds = registry.observations(histogram)
    for _ in range(VALUES_MAX):
        seconds.note(1)
    assert seconds._values == []
    assert registry.get_sample_value("seconds_count") == VALUES_MAX
