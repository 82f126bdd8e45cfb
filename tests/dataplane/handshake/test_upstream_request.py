"""The request upstream is made for each upstream that is dialled, while the session is still wanted."""

import asyncio
import random

import pytest

from tests.dataplane.handshake.test_forward import PLAIN, TARGET, request, route
from tests.support.loops import on_both_loops
from wsgate_dataplane.admission.claims import Claims
from wsgate_dataplane.handshake.admission import Admitted
from wsgate_dataplane.handshake.serving import make_serving
from wsgate_dataplane.handshake.upstream_request import UpstreamRequest, check_pending
from wsgate_dataplane.outcomes.refusal import Refused
from wsgate_dataplane.outcomes.table import Reason
from wsgate_dataplane.registry.registry import Registry
from wsgate_dataplane.registry.session import Arrival, Session
from wsgate_dataplane.relay.asyncio_engine import AsyncioEngine
from wsgate_dataplane.revocation.matching import Identity
from wsgate_dataplane.settings import Settings
from wsgate_dataplane.telemetry.metrics import Metrics


def made() -> tuple[UpstreamRequest, Session, Metrics]:
    """For a token with a role, on a route that forwards a claim."""
    loop, metrics = asyncio.get_running_loop(), Metrics()
    serving = make_serving(
        route(auth={"forward": {"claimToHeaders": [{"claim": "sub", "header": "X-User"}]}}), Settings()
    )
    identity = Identity("shop", subject="ada")
    registry = Registry(loop, AsyncioEngine(loop), metrics, "none", random.random)
    session = registry.register(serving.route, identity, Arrival("r-1", "198.51.100.7"))
    admitted = Admitted(serving, identity, Claims({"sub": "ada"}, 2_000_000_000), "token")
    made = UpstreamRequest(request(("Cookie", "token=a; b=c")), admitted, PLAIN, session, ("admin",), metrics)
    return made, session, metrics


@on_both_loops
async def test_the_head_says_what_the_token_does_and_leaves_the_token_out() -> None:
    lines = made()[0].head_for(TARGET).decode().split("\r\n")
    assert lines[0] == "GET /ws HTTP/1.1"
    assert {"Host: backend.test:9000", "X-User-Roles: admin", "X-User: ada", "Cookie: b=c"} <= set(lines)


@on_both_loops
async def test_retries_and_open_circuits_are_counted_by_protocol() -> None:
    dialler, _, metrics = made()
    dialler.retried()
    dialler.circuit_opened()
    for name in ("ws_proxy_retries_total", "ws_circuit_open_total"):
        assert metrics.registry.get_sample_value(name, {"protocol": "raw"}) == 1


@on_both_loops
async def test_a_session_that_has_ended_meanwhile_is_not_dialled_again() -> None:
    dialler, session, metrics = made()
    check_pending(session)
    session.registry.end(session, Reason.TOKEN_REVOKED)
    with pytest.raises(Refused) as caught:
        dialler.retried()
    assert caught.value.reason is Reason.TOKEN_REVOKED
    assert metrics.registry.get_sample_value("ws_proxy_retries_total", {"protocol": "raw"}) == 0
