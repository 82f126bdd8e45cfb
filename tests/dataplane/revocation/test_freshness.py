"""A view that nobody confirms fences, again and again; one that is confirmed anew does so no more."""

import asyncio
import logging

import pytest

from tests.support.loops import eventually, on_both_loops
from wsgate_dataplane.revocation import freshness
from wsgate_dataplane.revocation.freshness import Freshness
from wsgate_dataplane.revocation.view import Channel, RevocationView
from wsgate_dataplane.telemetry.metrics import Metrics


class Watched:
    """A view at a time of our own, and what was done."""

    def __init__(self, in_use: tuple[Channel, ...] = ("redis", "inbox", "file")) -> None:
        self.view = RevocationView()
        self.metrics = Metrics()
        self.done: list[str] = []
        self.now = 1000.0
        self.freshness = Freshness(
            self.view,
            60,
            in_use,
            lambda: self.done.append("fence"),
            lambda: self.done.append("unfence"),
            self.metrics,
            lambda: self.now,
        )

    def sample(self, name: str, channel: str | None = None) -> float | None:
        labels = {} if channel is None else {"channel": channel}
        return self.metrics.registry.get_sample_value(name, labels)


def test_it_fences_for_as_long_as_nobody_confirms_and_lifts_that_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "wsgate")
    watched = Watched()
    watched.view.confirm("file", 1000)
    watched.freshness.check()
    assert watched.done == []
    watched.now = 1061
    watched.freshness.check()
    watched.freshness.check()
    assert watched.done == ["fence", "fence"]
    assert watched.sample("wsgate_revocation_fenced") == 1
    watched.view.confirm("redis", 1061)
    watched.freshness.check()
    watched.freshness.check()
    assert watched.done == ["fence", "fence", "unfence"]
    assert watched.sample("wsgate_revocation_fenced") == 0
    told = [(each.getMessage(), each.__dict__["fields"]["file"]) for each in caplog.records]
    assert told == [("revocations stale", 61), ("revocations confirmed again", 61)]


def test_the_metrics_show_the_channels_in_use_and_only_those() -> None:
    watched = Watched(in_use=("file",))
    watched.view.confirm("file", 990)
    watched.freshness.check()
    assert watched.sample("wsgate_revocation_confirmed_timestamp_seconds", "file") == 990
    assert watched.sample("wsgate_revocation_records", "file") == 0
    unused = watched.sample("wsgate_revocation_confirmed_timestamp_seconds", "redis")
    assert unused != unused


@on_both_loops
async def test_it_looks_again_after_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freshness, "CHECK_SECONDS", 0.005)
    watched = Watched()

    async def watch() -> None:
        while True:
            await watched.freshness.watch()

    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(watch())
        await eventually(lambda: len(watched.done) > 2)
        watching.cancel()
