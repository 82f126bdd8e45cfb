"""Everything below /admin/: the one border where requests are authenticated, answered and audited."""

import asyncio
import logging

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from wsgate_dataplane.admin.answers import FACTS, AdminProblem, Fault, problem_answer
from wsgate_dataplane.admin.auth import Guard
from wsgate_dataplane.admin.closing import CloseSession
from wsgate_dataplane.admin.listing import Listings
from wsgate_dataplane.admin.parts import AdminParts
from wsgate_dataplane.admin.process import Process
from wsgate_dataplane.admin.revoke import Revoke

log = logging.getLogger("wsgate")
audit = logging.getLogger("wsgate.audit")

HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Server": "wsgate"}
"""Of every answer: they hold identities."""
PATH_CHARACTERS_MAX = 200
"""Of a path in a log line."""


def make_api(parts: AdminParts) -> web.Application:
    """The application to be put below /admin/."""
    # Who did what is told whatever the level of the other lines is.
    audit.setLevel(logging.INFO)
    listings = Listings(parts)
    app = web.Application(middlewares=[_border(parts)])
    app.router.add_get("/sessions", listings.sessions)
    app.router.add_get("/routes", listings.routes)
    app.router.add_get("/revocations", listings.revocations)
    app.router.add_get("/refusals", listings.refusals)
    app.router.add_post("/revoke", Revoke(parts).serve)
    app.router.add_post("/sessions/{uid}/close", CloseSession(parts.registry).serve)
    process = Process(parts)
    app.router.add_post("/drain", process.drain)
    app.router.add_put("/log-level", process.set_log_level)
    return app


def _border(parts: AdminParts) -> Middleware:
    """Authenticates before a path is looked at or a body is read; no fault of a request leaves it unanswered."""
    guard = Guard(parts.token)

    @web.middleware
    async def border(request: web.Request, handler: Handler) -> web.StreamResponse:
        request_id = parts.new_id().hex
        request[FACTS] = {}
        try:
            now = asyncio.get_running_loop().time()
            actor = guard.check(request.headers.getall("Authorization", ()), request.remote or "", now)
        except AdminProblem as problem:
            _log_refused(request, request_id, problem)
            return _finished(problem_answer(problem, request_id), request_id)
        response = await _answered(request, handler, request_id)
        _audit(request, request_id, actor, response.status)
        return _finished(response, request_id)

    return border


async def _answered(request: web.Request, handler: Handler, request_id: str) -> web.StreamResponse:
    try:
        return await handler(request)
    except AdminProblem as problem:
        return problem_answer(problem, request_id)
    except web.HTTPException as error:
        return problem_answer(_of_router(error), request_id)
    except Exception:
        # The outermost border: no fault of one request may reach another.
        log.exception("unexpected", extra={"fields": {"request_id": request_id}})
        detail = "A defect of the gateway: report the log line with its traceback."
        return problem_answer(AdminProblem(Fault.UNEXPECTED, detail), request_id)


def _of_router(error: web.HTTPException) -> AdminProblem:
    """What aiohttp's router, and nothing else here, raises."""
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        return AdminProblem(Fault.METHOD_NOT_ALLOWED, f"Use {allowed}.", {"Allow": allowed})
    detail = (
        "There are GET sessions, routes, revocations, refusals, POST revoke, sessions/{uid}/close, drain and PUT "
        "log-level."
    )
    return AdminProblem(Fault.PAGE_NOT_FOUND, detail)


def _audit(request: web.Request, request_id: str, actor: str, status: int) -> None:
    fields = {**_fields(request, request_id), "actor": actor, "status": status, **request[FACTS]}
    audit.info("admin action", extra={"fields": fields})


def _log_refused(request: web.Request, request_id: str, problem: AdminProblem) -> None:
    # Only what the failure limit bounds: the other answers cost a stranger nothing, so they get no line each.
    if problem.fault is Fault.ADMIN_TOKEN_WRONG:
        fields = {**_fields(request, request_id), "reason": problem.fault.value}
        log.warning("admin request refused", extra={"fields": fields})


def _fields(request: web.Request, request_id: str) -> dict[str, object]:
    return {
        "action": f"{request.method} {request.path[:PATH_CHARACTERS_MAX]}",
        "address": request.remote,
        "request_id": request_id,
    }


def _finished(response: web.StreamResponse, request_id: str) -> web.StreamResponse:
    response.headers.update({**HEADERS, "X-Request-Id": request_id})
    return response
