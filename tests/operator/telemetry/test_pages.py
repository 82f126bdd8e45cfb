"""What the kubelet and Prometheus read."""

import asyncio

from aiohttp.test_utils import TestClient, TestServer

from wsgate_operator.telemetry.metrics import CONTENT_TYPE, Metrics
from wsgate_operator.telemetry.pages import make_pages


def pages(stuck: str | None = None, unready: str | None = None) -> dict[str, tuple[int, str, str]]:
    """Status, text and content type of each page."""

    async def run() -> dict[str, tuple[int, str, str]]:
        app = make_pages(Metrics(), lambda: stuck, lambda: unready)
        found = {}
        async with TestClient(TestServer(app)) as client:
            for path in ("/livez", "/readyz", "/metrics", "/other"):
                async with client.get(path) as response:
                    found[path] = response.status, await response.text(), response.headers["Content-Type"]
        return found

    return asyncio.run(run())


def test_a_sound_operator_says_ok() -> None:
    found = pages()
    assert found["/livez"][:2] == found["/readyz"][:2] == (200, "ok\n")
    assert found["/other"][0] == 404


def test_liveness_and_readiness_each_give_their_own_reason() -> None:
    assert pages(stuck="it hangs")["/livez"][:2] == (503, "it hangs\n")
    assert pages(stuck="it hangs")["/readyz"][0] == 200
    assert pages(unready="nothing is listed")["/readyz"][:2] == (503, "nothing is listed\n")
    assert pages(unready="nothing is listed")["/livez"][0] == 200


def test_metrics_come_with_their_content_type() -> None:
    status, text, content_type = pages()["/metrics"]
    assert (status, content_type) == (200, CONTENT_TYPE)
    assert "# TYPE wsgate_operator_objects gauge" in text
