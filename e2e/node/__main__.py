"""python -m e2e.node STATE IMAGES CGROUP: the journey, inside the namespaces that inside.sh makes."""

import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from e2e.daemon import wait_until
from e2e.node.gateway import TENANT, Gateway
from e2e.node.lifecycle import delete_a_pod, end_a_process, freeze_a_process, roll_out
from e2e.node.node import Node
from e2e.node.propagation import measure_propagation
from e2e.node.report import Report
from e2e.node.revoking import revoke_by_a_pod, revoke_by_config_map, revoke_by_redis
from e2e.processes import NAMESPACE

READY_SECONDS = 60.0


def serve_a_route(gateway: Gateway, report: Report) -> None:
    """From kubectl apply to messages both ways, on every pod and through the Service."""
    start = time.monotonic()
    gateway.route("echo")
    gateway.wait("wsroute/echo", "Programmed")
    report.add("`kubectl apply` of a route started → Programmed", time.monotonic() - start)
    gateway.wait("wsroute/echo", "Ready")
    report.add("`kubectl apply` of a route started → Ready (every pod serves it)", time.monotonic() - start)
    for address in (*(pod.address for pod in gateway.pods()), gateway.service_address()):
        session = gateway.open(address, "alice")
        assert session.echoes("x" * 100_000)
        session.close()


def travel(node: Node, report: Report, repeats: int) -> None:
    """All steps in their order."""
    gateway = Gateway(node)
    start = time.monotonic()
    with report.step("kubectl apply -k, Deployments available"):
        gateway.deploy()
    report.add("`kubectl apply -k` started → all Deployments available (images there)", time.monotonic() - start)
    with report.step(f"upstream in namespace {TENANT}"):
        gateway.deploy_tenant()
    with report.step("a route serves"):
        serve_a_route(gateway, report)
    with report.step("revocations by Redis"):
        revoke_by_redis(gateway, report, repeats)
    with report.step("a revocation by kubectl wsgate"):
        revoke_by_a_pod(gateway, report)
    with report.step("ConfigMap to pod"):
        measure_propagation(gateway, report, repeats)
    report.say(f"memory in use, MiB: {node.memory(NAMESPACE)}")
    with report.step("revocations by the ConfigMap"):
        revoke_by_config_map(gateway, report, max(1, repeats // 2))
    with report.step("nothing was restarted so far"):
        assert all(pod.restarts == 0 for pod in gateway.pods("app.kubernetes.io/instance=wsgate"))
    for step in (delete_a_pod, end_a_process, freeze_a_process, roll_out):
        with report.step(step.__name__.replace("_", " ")):
            step(gateway, report)


def main(state: str, images: str, cgroup: str) -> None:
    """Start a node and travel; the table on stdout."""
    report = Report()
    start = time.monotonic()
    with ExitStack() as stack:
        with report.step("containerd, images, control plane, kubelet"):
            node = stack.enter_context(Node(Path(state), Path(images), cgroup))
            wait_until(node.is_ready, "the node is ready", READY_SECONDS)
        report.add("node started → Ready", time.monotonic() - start)
        try:
            travel(node, report, int(os.environ.get("REPEATS", "10")))
        finally:
            node.keep_logs()
    sys.stdout.write(report.table() + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
