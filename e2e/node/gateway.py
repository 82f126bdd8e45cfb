"""The deployed gateway, its tenant, and what the steps of the journey ask them."""

import json
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e2e.daemon import wait_until
from e2e.node.node import Node
from e2e.node.session import HOST, PATH, Refusal, Session, refusal
from e2e.objects import config_map, namespace, wsroute
from e2e.processes import NAMESPACE, POD_LABELS
from wsgate_cli.devkey import AUDIENCE, ISSUER, DevelopmentKey

HERE = Path(__file__).parent
TENANT = "shop"
UPSTREAM = f"ws://echo.{TENANT}.svc:8080/"
KEYS = f"http://echo.{TENANT}.svc:8080/certs"
ADMIN_TOKEN = "the-admin-token-of-the-node"
DEPLOYMENTS = ("wsgate-redis", "wsgate-operator", "wsgate-dataplane")
DATA_PLANES = ",".join(f"{name}={value}" for name, value in POD_LABELS.items())
START_SECONDS = 120.0
HTTP_SECONDS = 5.0
TOKEN_SECONDS = 7200


@dataclass(frozen=True)
class Pod:
    """One pod as the API server has it now."""

    name: str
    uid: str
    address: str
    is_ready: bool
    restarts: int
    exit_code: int | None
    """Of the container's run before."""


class Gateway:
    """The node's gateway."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.kubectl = node.kubectl
        self._key = DevelopmentKey.create()

    def deploy(self) -> None:
        """Apply the manifests; wait until all Deployments are available."""
        self.kubectl("apply", "-k", HERE)
        self.node.name_services()
        wait_until(lambda: all(map(self.is_available, DEPLOYMENTS)), "Deployments available", START_SECONDS)

    def deploy_tenant(self) -> None:
        """A namespace with an echo, which also shows the issuer's keys."""
        files = {"echo.py": (HERE / "echo.py").read_text(), "jwks.json": json.dumps(self._key.jwks())}
        self.kubectl.apply(namespace(TENANT), config_map(TENANT, "echo", files))
        self.kubectl("apply", "-f", HERE / "upstream.yaml")
        self.node.name_services()
        self.kubectl("rollout", "status", "deployment/echo", "-n", TENANT, "--timeout=50s")

    def is_available(self, deployment: str) -> bool:
        """All replicas, of the newest template."""
        found = self.kubectl.json("get", "deployment", deployment, "-n", NAMESPACE)
        wanted, status = found["spec"]["replicas"], found["status"]
        counts = {status.get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas")}
        return status.get("observedGeneration") == found["metadata"]["generation"] and counts == {wanted}

    def scale(self, deployment: str, replicas: int) -> None:
        """Until the pods are there, or gone."""
        self.kubectl("scale", f"deployment/{deployment}", "-n", NAMESPACE, f"--replicas={replicas}")
        wait_until(lambda: self.is_available(deployment), f"{deployment} has {replicas}", START_SECONDS)

    def pods(self, labels: str = DATA_PLANES) -> list[Pod]:
        """Those that are not leaving, by name."""
        items = self.kubectl.json("get", "pods", "-n", NAMESPACE, "-l", labels)["items"]
        return sorted(
            map(_pod, (i for i in items if "deletionTimestamp" not in i["metadata"])), key=lambda p: p.name
        )

    def pod(self, name: str) -> Pod | None:
        """One, leaving or not."""
        found = self.kubectl.json("get", "pods", "-n", NAMESPACE, f"--field-selector=metadata.name={name}")[
            "items"
        ]
        return _pod(found[0]) if found else None

    def service_address(self) -> str:
        """The cluster address of the Service that clients use."""
        found: str = self.kubectl.json("get", "service", "wsgate", "-n", NAMESPACE)["spec"]["clusterIP"]
        return found

    def route(self, name: str, **spec: Any) -> None:
        """Apply a route of the tenant to the echo."""
        provider = {"issuer": ISSUER, "audiences": [AUDIENCE], "jwks": {"uri": KEYS}}
        filled = {"hostnames": [HOST], "prefix": PATH, "upstream": UPSTREAM, "auth": {"providers": [provider]}}
        self.kubectl.apply(wsroute(TENANT, name, **{**filled, **spec}))

    def wait(self, what: str, condition: str) -> None:
        """kubectl wait for a condition of one of the tenant's objects."""
        self.kubectl("wait", f"--for=condition={condition}", what, "-n", TENANT, "--timeout=50s")

    def token(self, subject: str) -> str:
        """Good for the tenant's routes."""
        return self._key.token({"sub": subject}, int(time.time()), TOKEN_SECONDS)

    def open(self, address: str, subject: str) -> Session:
        """A session that has echoed a message."""
        session = Session(address, self.token(subject))
        assert session.echoes()
        return session

    def refusal(self, address: str, subject: str) -> Refusal:
        """Of a new token of the subject."""
        return refusal(address, self.token(subject))

    def ban(self, subject: str) -> None:
        """A TokenRevocation of the tenant, by the verb."""
        self.kubectl("create", "tokenrevocation", subject, "-n", TENANT, "--subject", subject, "--ban")

    def admin(self, pod: Pod, path: str) -> Any:
        """A GET on a data plane's admin listener."""
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
        request = urllib.request.Request(f"http://{pod.address}:9090{path}", headers=headers)
        with urllib.request.urlopen(request, timeout=HTTP_SECONDS) as response:
            return json.load(response)


def _pod(document: dict[str, Any]) -> Pod:
    metadata, status = document["metadata"], document["status"]
    conditions = {each["type"]: each["status"] for each in status.get("conditions", [])}
    container: dict[str, Any] = next(iter(status.get("containerStatuses", [])), {})
    ended = container.get("lastState", {}).get("terminated", {})
    return Pod(
        name=metadata["name"],
        uid=metadata["uid"],
        address=status.get("podIP", ""),
        is_ready=conditions.get("Ready") == "True",
        restarts=container.get("restartCount", 0),
        exit_code=ended.get("exitCode"),
    )
