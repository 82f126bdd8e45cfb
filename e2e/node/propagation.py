"""How long a ConfigMap's change takes to reach pods, with the operator's annotation and without."""

import random
import time
from collections.abc import Callable
from pathlib import Path

from e2e.daemon import wait_until
from e2e.node.gateway import HERE, Gateway, Pod
from e2e.node.report import Report
from e2e.processes import NAMESPACE

ROUTES = f"/api/v1/namespaces/{NAMESPACE}/configmaps/wsgate-routes"
VOLUME = "rendered"
UNMARKED = "app=unmarked"
WRITE_SECONDS = 10.0
KUBELET_SECONDS = 200.0
POLL_SECONDS = 0.02
PAUSE_SECONDS_MAX = 20.0
"""Before a change that the kubelet is to find by itself, lest the changes follow its rhythm."""


class Propagation:
    """Changes a route of its own again and again; every change is a prefix that nothing else has."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._number = 0
        self.written: list[float] = []
        """Seconds from kubectl's return to the ConfigMap, never below 0."""
        self.marked: list[float] = []
        """From the ConfigMap to the file in a data plane's pod."""
        self.served: list[float] = []
        """From the ConfigMap to the route in a data plane's table."""
        self.unmarked: list[float] = []
        """From the ConfigMap to the file in a pod that is not annotated."""

    def measure(self, unmarked: list[Pod]) -> None:
        """One change; waits until the data planes have it, and these pods too."""
        self._number += 1
        prefix = f"/change-{self._number}-of-many"
        self._gateway.route("changing", prefix=prefix)
        returned = time.monotonic()
        wait_until(lambda: prefix in self._config_map(), "the ConfigMap is written", WRITE_SECONDS)
        written = time.monotonic()
        self.written.append(written - returned)
        planes = self._gateway.pods()
        waiting: list[tuple[list[float], Callable[[], bool]]] = [
            *((self.marked, self._has_file(pod, prefix)) for pod in planes),
            *((self.served, self._serves(pod, prefix)) for pod in planes),
            *((self.unmarked, self._has_file(pod, prefix)) for pod in unmarked),
        ]
        while waiting:
            assert time.monotonic() - written < KUBELET_SECONDS, f"{len(waiting)} pods never saw {prefix}"
            arrived = [each for each in waiting if each[1]()]
            for figures, _ in arrived:
                figures.append(time.monotonic() - written)
            waiting = [each for each in waiting if each not in arrived]
            time.sleep(POLL_SECONDS)

    def _config_map(self) -> str:
        found = self._gateway.node.cluster.get(ROUTES) or {}
        return str(found.get("data", {}).get("routes.yaml"))

    def _has_file(self, pod: Pod, prefix: str) -> Callable[[], bool]:
        path: Path = self._gateway.node.volume(pod.uid, VOLUME) / "routes.yaml"
        return lambda: path.exists() and prefix in path.read_text()

    def _serves(self, pod: Pod, prefix: str) -> Callable[[], bool]:
        def check() -> bool:
            return any(item["prefix"] == prefix for item in self._gateway.admin(pod, "/admin/routes")["items"])

        return check


def measure_propagation(gateway: Gateway, report: Report, repeats: int) -> None:
    """Quick changes first, then some for which the kubelet's own rhythm is waited for."""
    gateway.kubectl("apply", "-f", HERE / "unmarked.yaml")
    wait_until(lambda: gateway.is_available("unmarked"), "pods that are not annotated", 60)
    propagation = Propagation(gateway)
    for _ in range(repeats * 3):
        propagation.measure([])
    for _ in range(max(1, repeats // 2)):
        time.sleep(random.uniform(0, PAUSE_SECONDS_MAX))
        propagation.measure(gateway.pods(UNMARKED))
    gateway.kubectl("delete", "-f", HERE / "unmarked.yaml")
    report.add("`kubectl apply` of a route returned → ConfigMap written", propagation.written)
    report.add("ConfigMap written → file in a pod, annotated by the operator", propagation.marked)
    report.add("ConfigMap written → data plane serves it, annotated", propagation.served)
    report.add("ConfigMap written → file in a pod, not annotated", propagation.unmarked)
