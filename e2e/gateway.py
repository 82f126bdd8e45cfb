"""The whole gateway on the test cluster: Redis, the operator and two data planes."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from e2e.cluster import Cluster
from e2e.daemon import Daemon, wait_until
from e2e.objects import tokenrevocation, wsroute
from e2e.processes import CONFIG_MAPS, NAMESPACE, SECRET, Operator, Plane
from e2e.redis_server import RevocationRedis
from e2e.services import Services

KINDS = "wsroutes,tokenrevocations"
WAIT_SECONDS = 20


class Gateway:
    """`with Gateway(cluster, services, folder) as gateway`; one at a time, it begins without objects."""

    def __init__(
        self,
        cluster: Cluster,
        services: Services,
        folder: Path,
        *,
        operator: Mapping[str, str] | None = None,
        planes: Mapping[str, str] | None = None,
        redis: Sequence[str] = (),
    ) -> None:
        """Settings of the operator and of the data planes beside the usual ones; options of the Redis."""
        self.cluster = cluster
        self.services = services
        self.kubectl = cluster.kubectl
        self.redis = RevocationRedis(folder, redis)
        redis_url = "WSGATE_REVOCATION_REDIS_URL"
        # The services have a private address, which tenants' routes name.
        both = {"WSGATE_ALLOW_CIDRS": f"{services.host}/32"}
        self.operator = Operator(cluster, folder, {**both, redis_url: self.redis.operator_url, **(operator or {})})
        # An upstream that cannot be reached is told at once.
        once = {"WS_DIAL_RETRY_MAX": "0"}
        settings = {**both, **once, redis_url: self.redis.dataplane_url, **(planes or {})}
        self.planes = tuple(Plane(f"plane-{number}", cluster, folder, settings) for number in (1, 2))
        self._stack = ExitStack()

    @property
    def daemons(self) -> tuple[Daemon, ...]:
        """For their logs."""
        return (self.operator.daemon, *(plane.daemon for plane in self.planes))

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException as error:
            self._stop(error)
            raise
        return self

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: object) -> None:
        self._stop(error)

    def _start(self) -> None:
        self._remove_objects()
        self._stack.callback(self.redis.server.kill)
        self.redis.server.start()
        self._stack.callback(self.operator.kill)
        self.operator.start()
        for plane in self.planes:
            self._stack.enter_context(plane)
        for component in (self.operator, *self.planes):
            component.wait_ready()

    def _stop(self, error: BaseException | None) -> None:
        """Stop everything; a failure tells what the processes said last."""
        if error is not None:
            for daemon in self.daemons:
                error.add_note(f"last words of {daemon.name}:\n{daemon.tail()}")
        self._stack.close()

    def route(self, namespace: str, name: str = "echo", **spec: Any) -> None:
        """Apply a route to the echo upstream as admin, unless spec says otherwise; wait until pods serve it."""
        self.kubectl.apply(self.echo_route(namespace, name, **spec))
        self.wait_served(namespace, name)

    def wait_served(self, namespace: str, name: str) -> None:
        """Until every pod serves what the route says now; it asks the pods, who tell Redis some seconds later."""
        self.wait("wsroute", namespace, name, "Programmed")
        status = self.kubectl.json("get", "wsroute", name, "-n", namespace)["status"]
        version: int = status["programmedVersion"]
        wait_until(
            lambda: all(plane.routes_version() >= version for plane in self.planes),
            f"every pod serves version {version}",
        )

    def revoke(self, namespace: str, name: str, **spec: Any) -> None:
        """Apply a TokenRevocation as admin; wait until every pod acts on it."""
        self.kubectl.apply(tokenrevocation(namespace, name, **spec))
        everywhere = f"jsonpath={{.status.acknowledgedPods}}={len(self.planes)}"
        self.wait("tokenrevocation", namespace, name, everywhere)

    def echo_route(self, namespace: str, name: str = "echo", **spec: Any) -> dict[str, Any]:
        """A WsRoute for the host of its namespace that accepts the services' tokens."""
        auth = {"providers": [self.services.provider], **spec.pop("auth", {})}
        filled = {"hostnames": [host_of(namespace)], "prefix": f"/{name}", "upstream": self.services.echo_url}
        return wsroute(namespace, name, **{**filled, "auth": auth, **spec})

    def wait(self, kind: str, namespace: str, name: str, condition: str, seconds: int = WAIT_SECONDS) -> None:
        """kubectl wait for a condition, NAME or NAME=STATUS, or for jsonpath=PATH=VALUE."""
        what = condition if condition.startswith("jsonpath=") else f"condition={condition}"
        self.kubectl("wait", f"--for={what}", f"{kind}/{name}", "-n", namespace, f"--timeout={seconds}s")

    def condition(self, kind: str, namespace: str, name: str, condition: str) -> dict[str, Any]:
        """A condition of the object's status."""
        document = self.kubectl.json("get", kind, name, "-n", namespace)
        found: dict[str, Any] = next(c for c in document["status"]["conditions"] if c["type"] == condition)
        return found

    def refused(self, kind: str, namespace: str, name: str, condition: str) -> dict[str, Any]:
        """Wait until a condition is False; the condition."""
        self.wait(kind, namespace, name, f"{condition}=False")
        return self.condition(kind, namespace, name, condition)

    def config_map(self, name: str) -> dict[str, str] | None:
        """The data of one of the gateway's ConfigMaps, None where it is not there."""
        document = self.cluster.get(f"/api/v1/namespaces/{NAMESPACE}/configmaps/{name}")
        return None if document is None else document.get("data", {})

    def copies(self) -> dict[str, str]:
        """The data of the Secret with copies of client certificates; empty where it is not there."""
        document = self.cluster.get(f"/api/v1/namespaces/{NAMESPACE}/secrets/{SECRET}") or {}
        found: dict[str, str] = document.get("data", {})
        return found

    def _remove_objects(self) -> None:
        self.kubectl("delete", KINDS, "--all", "--all-namespaces")
        self.kubectl("delete", "configmaps", "-n", NAMESPACE, "--ignore-not-found", *CONFIG_MAPS)
        self.kubectl("delete", "secrets", "-n", NAMESPACE, "--ignore-not-found", SECRET)
        wait_until(lambda: all(self.config_map(name) is None for name in CONFIG_MAPS), "no ConfigMaps are left")


def host_of(namespace: str) -> str:
    """The hostname that a namespace's routes have."""
    return f"{namespace}.example.com"
