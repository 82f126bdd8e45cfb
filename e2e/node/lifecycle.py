"""How pods begin and end: probes, preStop, termination, restarts, a rollout."""

import os
import signal
import time
from pathlib import Path

from websockets.exceptions import InvalidHandshake

from e2e.daemon import wait_until
from e2e.node.gateway import Gateway, Pod
from e2e.node.report import Report
from e2e.node.session import Session
from e2e.processes import NAMESPACE

END_SECONDS = 60.0
FREEZE_SECONDS = 240.0
SERVICE_RESTART = 1012
ROLLOUT_SECONDS = 240.0


def delete_a_pod(gateway: Gateway, report: Report) -> None:
    """Its client is told to come again, the other pod's client notices nothing."""
    leaving, staying = gateway.pods()
    told, other = gateway.open(leaving.address, "alice"), gateway.open(staying.address, "bob")
    start = time.monotonic()
    gateway.kubectl("delete", "pod", leaving.name, "-n", NAMESPACE, "--wait=false")
    end = told.end(END_SECONDS)
    assert end.code == SERVICE_RESTART, end
    report.add("`kubectl delete pod` → client gets 1012 (preStop 5 s)", end.at - start)
    wait_until(lambda: gateway.pod(leaving.name) is None, "the pod is gone", END_SECONDS)
    report.add("`kubectl delete pod` → pod gone", time.monotonic() - start)
    _wait_for_two(gateway)
    report.add("`kubectl delete pod` → another is ready", time.monotonic() - start)
    assert other.echoes()
    other.close()


def end_a_process(gateway: Gateway, report: Report) -> None:
    """SIGTERM to the container's first process: it drains, exits with 0 and is started again."""
    pod = gateway.pods()[0]
    told = gateway.open(pod.address, "alice")
    start = time.monotonic()
    gateway.kubectl("exec", pod.name, "-n", NAMESPACE, "--", "python", "-c", "import os; os.kill(1, 15)")
    end = told.end(END_SECONDS)
    assert end.code == SERVICE_RESTART, end
    report.add("SIGTERM to a data plane → client gets 1012", end.at - start)
    again = _wait_for_restart(gateway, pod, END_SECONDS)
    report.add("SIGTERM to a data plane → restarted and ready", time.monotonic() - start)
    assert again.exit_code == 0, again


def freeze_a_process(gateway: Gateway, report: Report) -> None:
    """SIGSTOP: readiness takes the pod out of the Service, liveness has it killed."""
    pod = gateway.pods()[0]
    start = time.monotonic()
    os.kill(_process(pod), signal.SIGSTOP)
    wait_until(lambda: not _now(gateway, pod).is_ready, "not ready", END_SECONDS)
    report.add("a data plane frozen → not ready", time.monotonic() - start)
    _wait_for_restart(gateway, pod, FREEZE_SECONDS)
    report.add("a data plane frozen → killed by liveness, ready again", time.monotonic() - start)


def roll_out(gateway: Gateway, report: Report) -> None:
    """All pods are replaced while a client connects through the Service again and again."""
    address = gateway.service_address()
    staying = gateway.open(address, "carol")
    attempts, failed, start = 0, [], time.monotonic()
    gateway.kubectl("rollout", "restart", "deployment/wsgate-dataplane", "-n", NAMESPACE)
    while not gateway.is_available("wsgate-dataplane"):
        assert time.monotonic() - start < ROLLOUT_SECONDS
        for _ in range(20):
            attempts += 1
            try:
                Session(address, gateway.token("dave")).close()
            except (OSError, InvalidHandshake) as error:
                failed.append(f"{time.monotonic() - start:.1f} s: {error!r}")
    report.add(
        "`kubectl rollout restart` of the data plane → all pods new and available", time.monotonic() - start
    )
    report.say(f"{attempts} handshakes through the Service meanwhile, {len(failed)} failed: {failed[:5]}")
    assert not failed
    assert staying.end(END_SECONDS).code == SERVICE_RESTART


def _wait_for_two(gateway: Gateway) -> None:
    wait_until(lambda: [pod.is_ready for pod in gateway.pods()] == [True, True], "two pods are ready", END_SECONDS)


def _now(gateway: Gateway, pod: Pod) -> Pod:
    found = gateway.pod(pod.name)
    assert found is not None
    return found


def _wait_for_restart(gateway: Gateway, pod: Pod, seconds: float) -> Pod:
    def is_back() -> bool:
        now = _now(gateway, pod)
        return now.restarts == pod.restarts + 1 and now.is_ready

    wait_until(is_back, f"{pod.name} is back", seconds)
    return _now(gateway, pod)


def _process(pod: Pod) -> int:
    """The data plane's process, as the node sees it."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            is_ours = (
                pod.uid in (folder / "cgroup").read_text()
                and b"wsgate_dataplane" in (folder / "cmdline").read_bytes()
            )
        except OSError:
            continue
        if is_ours:
            return int(folder.name)
    raise AssertionError(f"no process of {pod.name}")
