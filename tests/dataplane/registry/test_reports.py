"""Ends of sessions are told together, soon, each with the time of the end, and none is lost."""

import asyncio
import logging
from collections.abc import Iterator

import pytest

from tests.support.loops import eventually, on_both_loops
from wsgate_contract.route import Route
from wsgate_dataplane.outcomes.table import Reason
from wsgate_dataplane.registry import reports
from wsgate_dataplane.registry.registry import Registry
from wsgate_dataplane.registry.reports import Report, Reports
from wsgate_dataplane.registry.session import Arrival, Session
from wsgate_dataplane.relay.asyncio_engine import AsyncioEngine
from wsgate_dataplane.relay.engine import Closed, Counters, Side
from wsgate_dataplane.revocation.matching import Identity
from wsgate_dataplane.session.lifecycle import Ended
from wsgate_dataplane.telemetry.log import Event
from wsgate_dataplane.telemetry.metrics import Metrics

ROUTE = Route.from_document({"namespace": "shop", "name": "chat", "prefix": "/", "upstream": "ws://chat.test"})
CLOSED = Closed(Side.CLIENT, 1000, is_clean=True, counters=Counters(10, 20, 1, 2))


@pytest.fixture
def records() -> Iterator[list[logging.LogRecord]]:
    found: list[logging.LogRecord] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record)

    logger, keep = logging.getLogger("wsgate"), Keep()
    before = logger.level
    logger.addHandler(keep)
    logger.setLevel(logging.INFO)
    yield found
    logger.removeHandler(keep)
    logger.setLevel(before)


def report(metrics: Metrics, at: float = 1000.0, reason: Reason = Reason.CLIENT_CLOSED) -> Report:
    loop = asyncio.get_running_loop()
    registry = Registry(loop, AsyncioEngine(loop), metrics, "plain", lambda: 0.5)
    session = Session(registry, 1, ROUTE, Identity("shop", subject="alice"), Arrival("id", "1.2.3.4"), 0.0, print)
    return Report(session, Ended(reason, "client", 1000, ""), CLOSED, 2.5, 0.1, at, 7)


def events_of(record: logging.LogRecord) -> list[Event]:
    events: list[Event] = vars(record)["events"]
    return events


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


@on_both_loops
async def test_what_ends_together_is_one_record_of_lines_with_their_own_times(
    records: list[logging.LogRecord],
) -> None:
    metrics = Metrics()
    told = Reports(asyncio.get_running_loop(), metrics, "plain")
    for at in (1000.25, 1000.5):
        told.add(report(metrics, at))
    told.add(report(metrics, 1001.0, Reason.UPSTREAM_LOST))
    await eventually(lambda: len(records) == 2)
    first, second = records
    assert (first.levelname, [each.at for each in events_of(first)]) == ("INFO", [1000.25, 1000.5])
    (event,) = events_of(second)
    assert (second.levelname, event.fields["reason"]) == ("WARNING", "upstream-lost")
    assert (event.fields["sub"], event.fields["seconds"], event.fields["config_version"]) == ("alice", 2.5, 7)


@on_both_loops
async def test_whoever_reads_the_metrics_does_not_wait_for_the_log() -> None:
    metrics = Metrics()
    told = Reports(asyncio.get_running_loop(), metrics, "plain")
    told.add(report(metrics))
    told.add(report(metrics, reason=Reason.TOKEN_REVOKED))
    assert value(metrics, "ws_closes_total", reason="client-closed") == 1
    assert value(metrics, "ws_closes_total", reason="token-revoked") == 1
    assert value(metrics, "ws_revocation_to_close_seconds_count") == 1
    assert value(metrics, "ws_bytes_total", direction="to_client") == 40
    assert value(metrics, "ws_messages_total", direction="to_upstream") == 2


@on_both_loops
async def test_many_do_not_wait_and_what_waits_at_the_end_is_told(
    records: list[logging.LogRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "WAITING_MAX", 3)
    metrics = Metrics()
    told = Reports(asyncio.get_running_loop(), metrics, "plain")
    for _ in range(4):
        told.add(report(metrics))
    assert [len(events_of(record)) for record in records] == [3]
    told.tell()
    assert [len(events_of(record)) for record in records] == [3, 1]
    told.tell()
    assert len(records) == 2
