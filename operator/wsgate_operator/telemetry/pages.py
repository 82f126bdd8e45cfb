"""The operator's listener: liveness, readiness, metrics."""

from collections.abc import Callable

from aiohttp import web

from wsgate_operator.telemetry.metrics import CONTENT_TYPE, Metrics


def make_pages(
    metrics: Metrics, stuck_because: Callable[[], str | None], unready_because: Callable[[], str | None]
) -> web.Application:
    """stuck_because gives the reason for a restart, unready_because the one why nothing is served yet."""

    def verdict(reason: str | None) -> web.Response:
        return web.Response(status=503 if reason else 200, text=f"{reason or 'ok'}\n")

    async def livez(request: web.Request) -> web.Response:
        return verdict(stuck_because())

    async def readyz(request: web.Request) -> web.Response:
        return verdict(unready_because())

    async def expose(request: web.Request) -> web.Response:
        return web.Response(body=metrics.exposition(), headers={"Content-Type": CONTENT_TYPE})

    app = web.Application()
    app.router.add_get("/livez", livez)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", expose)
    return app
