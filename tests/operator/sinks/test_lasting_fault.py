"""A log that does not repeat itself."""

import pytest

from wsgate_operator.sinks.lasting_fault import LastingFault


def test_a_fault_is_said_once_while_it_lasts_and_at_its_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    lasting = LastingFault("events not written")
    for fault in ("Server", "Server", "Forbidden"):
        lasting.failed(fault, "broken")
    lasting.succeeded()
    lasting.succeeded()
    lasting.failed("Server", "broken")
    assert [
        (record.levelname, record.message, record.__dict__["fields"]["fault"]) for record in caplog.records
    ] == [
        ("WARNING", "events not written", "Server"),
        ("WARNING", "events not written", "Forbidden"),
        ("INFO", "events not written: over", "Forbidden"),
        ("WARNING", "events not written", "Server"),
    ]
