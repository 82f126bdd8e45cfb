"""The admin listener: liveness, readiness, metrics, and the API behind its token."""

from collections.abc import Callable

from aiohttp import web

from wsgate_dataplane.admin.api import make_api
from wsgate_dataplane.admin.parts import AdminParts
from wsgate_dataplane.telemetry.metrics import CONTENT_TYPE, Metrics


def make_admin_app(
    metrics: Metrics, unready_because: Callable[[], str | None], parts: AdminParts | None = None
) -> web.Application:
    """unready_because gives the reason why no traffic should come here, or None; without parts there is no API."""

    async def livez(request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(request: web.Request) -> web.Response:
        reason = unready_because()
        return web.Response(status=503 if reason else 200, text=f"{reason or 'ok'}\n")

    async def expose(request: web.Request) -> web.Response:
        return web.Response(body=metrics.exposition(), headers={"Content-Type": CONTENT_TYPE})

    app = web.Application()
    app.router.add_get("/livez", livez)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", expose)
    if parts is not None:
        app.add_subapp("/admin/", make_api(parts))
    return app
