"""A refusal's sentence names the way out."""

import pytest

from wsgate_operator.sources.cluster.fault import explain, retry_after


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (401, "service account"),
        (403, "verb watch on wsroutes.wsgate.dev"),
        (404, "apply the CRDs"),
        (410, "begin anew"),
        (429, "too busy to watch wsroutes"),
        (500, "failed to watch wsroutes (500)"),
        (503, "(503)"),
        (302, "proxies"),
    ],
)
def test_every_refusal_is_told_with_the_way_out(status: int, told: str) -> None:
    assert told in explain(status, "watch", "wsroutes")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7", 7.0), ("9999", 60.0), ("9" * 400, 0.0), ("Wed, 21 Oct", 0.0), ("-5", 0.0), ("", 0.0)],
)
def test_the_pause_that_is_asked_for_is_read_and_bounded(text: str, seconds: float) -> None:
    assert retry_after({"Retry-After": text}) == seconds
