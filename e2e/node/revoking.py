"""How fast a revocation closes sessions: by Redis, and by the ConfigMap alone."""

import time

from e2e.daemon import wait_until
from e2e.node.gateway import Gateway
from e2e.node.report import Report
from e2e.node.session import Refusal

REVOKED = (1008, "token revoked")
REFUSED = Refusal(401, "token-revoked")
FAST_SECONDS = 10.0
SLOW_SECONDS = 120.0
REDIS = "wsgate-redis"


def revoke_by_redis(gateway: Gateway, report: Report, repeats: int) -> None:
    """Sessions on every pod close, new ones are refused, others stay."""
    pods = gateway.pods()
    others = [gateway.open(pod.address, "bystander") for pod in pods]
    after_start, after_return = [], []
    for number in range(repeats):
        started, returned, closed = _ban(gateway, f"mallory-{number}", FAST_SECONDS)
        after_start += [moment - started for moment in closed]
        after_return += [moment - returned for moment in closed]
    assert all(other.echoes() for other in others)
    for other in others:
        other.close()
    report.add("`kubectl create tokenrevocation` started → session closed", after_start)
    report.add("… returned → session closed (below 0: before it returned)", after_return)


def revoke_by_a_pod(gateway: Gateway, report: Report) -> None:
    """An event that enters at one pod reaches all; kubectl wsgate finds the pods and forwards ports."""
    pods = gateway.pods()
    sessions = [gateway.open(pod.address, "eve") for pod in pods]
    shown = gateway.kubectl("wsgate", "sessions", "--sub", "eve")
    assert all(pod.name in shown for pod in pods), shown
    started = time.monotonic()
    gateway.kubectl("wsgate", "revoke", "--sub", "eve")
    returned = time.monotonic()
    ends = [session.end(FAST_SECONDS) for session in sessions]
    assert all((end.code, end.reason) == REVOKED for end in ends), ends
    report.add("`kubectl wsgate revoke` started → session closed", [end.at - started for end in ends])
    report.add("`kubectl wsgate revoke`, start to end (finds pods, forwards ports)", returned - started)
    assert gateway.refusal(pods[0].address, "mallory-0") == REFUSED
    assert "token-revoked" in gateway.kubectl("wsgate", "why", "--sub", "mallory-0")


def revoke_by_config_map(gateway: Gateway, report: Report, repeats: int) -> None:
    """The same while Redis is away; then it comes back empty."""
    gateway.scale(REDIS, 0)
    after_start = []
    for number in range(repeats):
        started, _, closed = _ban(gateway, f"trudy-{number}", SLOW_SECONDS)
        after_start += [moment - started for moment in closed]
    report.add("without Redis: `kubectl create tokenrevocation` started → session closed", after_start)
    start = time.monotonic()
    gateway.scale(REDIS, 1)
    wait_until(lambda: _is_followed(gateway), "all pods follow the new Redis", SLOW_SECONDS)
    report.add("an empty Redis started → every pod follows it with all records", time.monotonic() - start)
    for pod in gateway.pods():
        assert gateway.refusal(pod.address, "mallory-0") == REFUSED


def _ban(gateway: Gateway, subject: str, seconds: float) -> tuple[float, float, list[float]]:
    """When kubectl was started, when it returned, and when the subject's session on each pod ended."""
    pods = gateway.pods()
    sessions = [gateway.open(pod.address, subject) for pod in pods]
    started = time.monotonic()
    gateway.ban(subject)
    returned = time.monotonic()
    ends = [session.end(seconds) for session in sessions]
    assert all((end.code, end.reason) == REVOKED for end in ends), ends
    refusals = [gateway.refusal(pod.address, subject) for pod in pods]
    assert all(each == REFUSED for each in refusals), refusals
    return started, returned, [end.at for end in ends]


def _is_followed(gateway: Gateway) -> bool:
    for pod in gateway.pods():
        channels = {each["name"]: each for each in gateway.admin(pod, "/admin/revocations")["channels"]}
        if channels["redis"]["records"] == 0 or channels["redis"]["records"] != channels["file"]["records"]:
            return False
    return True
