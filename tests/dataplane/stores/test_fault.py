"""A fault says what is wrong and what to do, once for as long as it lasts."""

import logging

import pytest

from wsgate_dataplane.stores.fault import Cause, Outage, RedisFault


@pytest.mark.parametrize("cause", Cause)
def test_every_cause_says_what_is_wrong_and_what_to_do(cause: Cause) -> None:
    fault = RedisFault(cause, "detail")
    assert fault.cause is cause
    what, _, fix = str(fault).partition(" (detail); ")
    assert what and fix


def test_an_outage_is_told_once_for_each_cause_and_at_its_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "wsgate")
    outage = Outage("revocation channel")
    outage.is_over()
    for cause in (Cause.TIMED_OUT, Cause.UNREACHABLE, Cause.TIMED_OUT, Cause.UNREACHABLE):
        outage.goes_on(RedisFault(cause))
    outage.is_over()
    outage.is_over()
    outage.goes_on(RedisFault(Cause.TIMED_OUT))
    told = [(each.getMessage(), each.__dict__["fields"].get("cause")) for each in caplog.records]
    assert told == [
        ("revocation channel fails", "timed-out"),
        ("revocation channel fails", "unreachable"),
        ("revocation channel works again", None),
        ("revocation channel fails", "timed-out"),
    ]


def test_the_unforeseen_is_told_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    fault = RedisFault(Cause.UNEXPECTED)
    fault.__cause__ = KeyError("x")
    Outage("revocation channel").goes_on(fault)
    assert caplog.records[0].exc_info is not None
