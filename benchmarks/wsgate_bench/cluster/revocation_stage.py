"""Revocations on the whole gateway: from the API server's acknowledgement to the closed session."""

import dataclasses
import json
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e2e.cluster import Cluster
from e2e.daemon import free_port
from e2e.gateway import Gateway, host_of
from e2e.objects import namespace
from e2e.processes import GATEWAY
from e2e.redis_server import TESTER, RevocationRedis
from e2e.services import Services

from ..processes import Program, started, talking
from ..sites import PYTHON_ENVIRONMENT, module_command
from .revoking import Outcome, Sample, Task, jti, subject

NAMESPACE = "bench"
ROUTE = "sessions"
IDLE_SECONDS = 3600
"""Nobody sends anything for as long as is measured."""
OPEN_SECONDS_MAX = 120.0
MEASURE_SECONDS_MAX = 600.0
CONNECT_SECONDS = 1.0


@dataclass(frozen=True)
class Plan:
    """How much is measured; sessions: those of all data planes together that stay open to the end."""

    sessions: int
    one_by_one: int
    burst: int


def measure(
    cluster: Cluster, services: Services, folder: Path, plan: Plan, progress: Callable[[str], None]
) -> Outcome:
    """Raises ProcessFailed, AssertionError or OSError where it could not be measured."""
    address = services.host, free_port(services.host)
    with (
        started("upstream", _upstream(*address), folder),
        Gateway(cluster, services, folder) as gateway,
    ):
        cluster.kubectl.apply(namespace(NAMESPACE))
        gateway.route(
            NAMESPACE,
            ROUTE,
            upstream=f"ws://{address[0]}:{address[1]}/",
            timeouts={"idleSeconds": IDLE_SECONDS},
        )
        task = dataclasses.asdict(_task(gateway, folder, plan))
        command = module_command("cluster.revoking", json.dumps(task))
        with talking("revoking", command, PYTHON_ENVIRONMENT, folder) as client:
            count = json.loads(client.next_line(OPEN_SECONDS_MAX))["sessions"]
            progress(f"{count} sessions are open; revoking {plan.one_by_one} users, then {plan.burst} at once")
            client.go()
            answer = json.loads(client.next_line(MEASURE_SECONDS_MAX))
            client.finish(OPEN_SECONDS_MAX)
    return _outcome(answer)


def listener_url(redis: RevocationRedis) -> str:
    """Of a user who may hear everything."""
    return f"redis://{TESTER}:{TESTER}@127.0.0.1:{redis.server.port}/0"


def _upstream(host: str, port: int) -> Program:
    return Program(
        module_command("cluster.upstream", host, str(port)), lambda: _accepts(host, port), PYTHON_ENVIRONMENT
    )


def _accepts(host: str, port: int) -> bool:
    with suppress(OSError), socket.create_connection((host, port), timeout=CONNECT_SECONDS):
        return True
    return False


def _task(gateway: Gateway, folder: Path, plan: Plan) -> Task:
    users = plan.one_by_one + plan.burst + plan.sessions // len(gateway.planes)
    token_file = folder / "tokens"
    tokens = (gateway.services.token(subject(number), jti=jti(number)) for number in range(users))
    token_file.write_text("\n".join(tokens))
    return Task(
        kubeconfig=str(gateway.kubectl.kubeconfig),
        namespace=NAMESPACE,
        host=host_of(NAMESPACE),
        path=f"/{ROUTE}",
        ports=tuple(plane.port for plane in gateway.planes),
        token_file=str(token_file),
        redis_url=listener_url(gateway.redis),
        gateway=GATEWAY,
        one_by_one=plan.one_by_one,
        burst=plan.burst,
    )


def _outcome(answer: dict[str, Any]) -> Outcome:
    samples = {name: [Sample(**each) for each in answer[name]] for name in ("one_by_one", "burst")}
    return Outcome(**{**answer, **samples})
