"""POST /admin/sessions/{uid}/close: one session ends, its token stays good."""

from aiohttp import web

from wsgate_dataplane.admin.answers import FACTS, AdminProblem, Fault, answer
from wsgate_dataplane.outcomes.table import Reason
from wsgate_dataplane.registry.registry import Registry

CLOSE_REASON = Reason.ADMIN_CLOSED
"""What the client reads: reconnect. Its token is as good as before."""


class CloseSession:
    """Ends one session of this process."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def serve(self, request: web.Request) -> web.Response:
        """202; 404 as AdminProblem. Twice is harmless."""
        uid = request.match_info["uid"]
        session = next((each for each in self._registry if str(each.uid) == uid), None)
        if session is None:
            detail = "No such session here; GET /admin/sessions lists those of this pod, each pod has its own."
            raise AdminProblem(Fault.SESSION_NOT_FOUND, detail)
        request[FACTS].update(session=session.uid, session_request_id=session.arrival.request_id)
        self._registry.end(session, CLOSE_REASON, "closed by the admin API")
        return answer({"uid": session.uid}, 202)
