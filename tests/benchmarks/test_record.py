"""A run as a file, and the figures that are formed from it."""

import dataclasses

import pytest

from tests.benchmarks.runs import whole_run
from wsgate_bench.record import from_json


def test_a_run_is_read_as_it_was_written() -> None:
    assert from_json(whole_run().to_json()) == whole_run()


def test_a_file_without_the_machine_is_refused() -> None:
    with pytest.raises(KeyError):
        from_json('{"samples": []}')


def test_a_ratio_is_formed_within_each_repeat() -> None:
    # nginx is the third peer: 30 and 31, wsgate 10 and 11.
    assert whole_run().ratios("64B-w1", "nginx") == [10 / 30, 11 / 31]


def test_a_failed_sample_is_in_no_ratio() -> None:
    record = whole_run()
    failed = tuple(
        dataclasses.replace(sample, failure="refused") if sample.repeat == 0 else sample
        for sample in record.samples
    )
    assert dataclasses.replace(record, samples=failed).ratios("64B-w1", "nginx") == [11 / 31]


def test_what_takes_long_is_measured_in_the_first_repeats_only() -> None:
    plan = whole_run().plan
    assert "idle" in [scenario.name for scenario in plan.due(1)]
    assert "idle" not in [scenario.name for scenario in plan.due(2)]
