"""The admin pages say whether the process lives, wants traffic, and what it counted."""

from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.dataplane.admin.desk import a_desk
from tests.support.loops import on_both_loops
from wsgate_dataplane.admin.app import make_admin_app
from wsgate_dataplane.outcomes.table import Reason
from wsgate_dataplane.telemetry.metrics import CONTENT_TYPE, Metrics

Page = tuple[int, str, str]


async def page(
    path: str,
    metrics: Metrics | None = None,
    because: Callable[[], str | None] = lambda: None,
    method: str = "GET",
) -> Page:
    """Status, content type and text of a page, fetched from a listening server."""
    app: web.Application = make_admin_app(metrics or Metrics(), because)
    async with TestServer(app) as server, aiohttp.ClientSession() as http:
        async with http.request(method, server.make_url(path)) as response:
            return response.status, response.headers["Content-Type"], await response.text()


@on_both_loops
async def test_a_process_that_answers_is_alive_whether_ready_or_not() -> None:
    assert (await page("/livez", because=lambda: "draining"))[::2] == (200, "ok\n")


@on_both_loops
async def test_a_ready_process_says_ok() -> None:
    assert (await page("/readyz"))[::2] == (200, "ok\n")


@on_both_loops
async def test_a_process_that_wants_no_traffic_answers_503_with_its_reason() -> None:
    assert (await page("/readyz", because=lambda: "draining"))[::2] == (503, "draining\n")


@on_both_loops
async def test_readiness_is_asked_anew_for_each_request() -> None:
    reasons = iter(["starting", None])

    def because() -> str | None:
        return next(reasons)

    app = make_admin_app(Metrics(), because)
    async with TestServer(app) as server, aiohttp.ClientSession() as http:
        statuses = []
        for _ in range(2):
            async with http.get(server.make_url("/readyz")) as response:
                statuses.append(response.status)
    assert statuses == [503, 200]


@on_both_loops
async def test_the_metrics_page_shows_what_was_counted_in_prometheus_form() -> None:
    metrics = Metrics()
    metrics.refused(Reason.TOKEN_EXPIRED)
    status, content_type, text = await page("/metrics", metrics)
    assert (status, content_type) == (200, CONTENT_TYPE)
    assert 'ws_refusals_total{reason="token-expired"} 1.0' in text.splitlines()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/", 404), ("GET", "/admin/revoke", 404), ("POST", "/readyz", 405), ("POST", "/metrics", 405)],
)
@on_both_loops
async def test_there_is_nothing_else(method: str, path: str, status: int) -> None:
    assert (await page(path, method=method))[0] == status


@on_both_loops
async def test_the_pages_need_no_token_beside_the_api_that_does(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as desk:
        for path, status in (("/livez", 200), ("/readyz", 200), ("/metrics", 200), ("/admin/sessions", 401)):
            async with desk.http.get(desk.url + path) as response:
                assert response.status == status
