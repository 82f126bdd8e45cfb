"""The data-plane pods of a gateway: find them, reach them, ask them all at once."""

import base64
import binascii
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from wsgate_cli.plugin.admin_client import AdminClient, AdminError
from wsgate_cli.plugin.kubectl import Kubectl, KubectlError
from wsgate_cli.plugin.port_forward import port_forward

ADMIN_PORT = 9090
"""Where a pod names no port admin."""
ASKED_AT_ONCE_MAX = 8

Result = TypeVar("Result")


@dataclass(frozen=True)
class Target:
    """A pod, by its name or URL, and the way to it."""

    name: str
    reach: Callable[[], AbstractContextManager[AdminClient]]


@dataclass(frozen=True)
class Problem:
    """Why a pod did not do what it was asked. status: of its HTTP answer, if there was one."""

    pod: str
    detail: str
    status: int | None = None

    def __str__(self) -> str:
        return f"{self.pod}: {self.detail}"


class NoPods(Exception):
    """There is nobody to ask; the message says where was looked."""


def url_target(url: str, token: str) -> Target:
    """A pod whose admin port can be reached as it is."""

    @contextmanager
    def reach() -> Iterator[AdminClient]:
        yield AdminClient(url, token)

    return Target(url, reach)


def pod_targets(kubectl: Kubectl, namespace: str, gateway: str, token: str) -> tuple[Target, ...]:
    """All pods that run, reached through the API server; raises NoPods, KubectlError."""
    labels = (
        f"app.kubernetes.io/name=wsgate,app.kubernetes.io/component=dataplane,app.kubernetes.io/instance={gateway}"
    )
    text = kubectl.output("get", "pods", f"--namespace={namespace}", f"--selector={labels}", "--output=json")
    pods = _items(text)
    running = [pod for pod in pods if pod.get("status", {}).get("phase") == "Running"]
    if not running:
        there = "no running pod" if pods else "no pod"
        raise NoPods(f"{there} with {labels} in namespace {namespace}; is that the gateway's --namespace?")
    return tuple(_pod_target(kubectl, namespace, pod, token) for pod in running)


def _items(text: str) -> list[dict[str, Any]]:
    try:
        items: list[dict[str, Any]] = json.loads(text)["items"]
    except (ValueError, KeyError, TypeError):
        raise KubectlError("kubectl get: its answer is no list of pods") from None
    return items


def _pod_target(kubectl: Kubectl, namespace: str, pod: dict[str, Any], token: str) -> Target:
    name = str(pod["metadata"]["name"])
    ports = (port for container in pod["spec"]["containers"] for port in container.get("ports", ()))
    port = next((port["containerPort"] for port in ports if port.get("name") == "admin"), ADMIN_PORT)

    @contextmanager
    def reach() -> Iterator[AdminClient]:
        with port_forward(kubectl, namespace, name, port) as url:
            yield AdminClient(url, token)

    return Target(name, reach)


def ask(target: Target, question: Callable[[AdminClient], Result]) -> Result | Problem:
    """One pod."""
    try:
        with target.reach() as client:
            return question(client)
    except AdminError as error:
        return Problem(target.name, str(error), error.status)


def ask_all(
    targets: Sequence[Target], question: Callable[[AdminClient], Result]
) -> tuple[list[Result], list[Problem]]:
    """What the pods answer, in the order of the targets, and what became of the others."""
    with ThreadPoolExecutor(ASKED_AT_ONCE_MAX) as pool:
        found = list(pool.map(lambda target: ask(target, question), targets))
    answers = [each for each in found if not isinstance(each, Problem)]
    return answers, [each for each in found if isinstance(each, Problem)]


def token_from_file(path: str) -> str:
    """Raises ValueError, which does not show the token, and OSError."""
    return _usable(Path(path).read_bytes())


def token_from_secret(kubectl: Kubectl, namespace: str, name: str) -> str:
    """Key token of a Secret; raises ValueError, KubectlError."""
    text = kubectl.output("get", f"secret/{name}", f"--namespace={namespace}", "--output=jsonpath={.data.token}")
    try:
        return _usable(base64.b64decode(text, validate=True))
    except binascii.Error:
        raise ValueError("not base64") from None


def _usable(data: bytes) -> str:
    token = data.strip()
    if not token:
        raise ValueError("holds no token")
    if not token.isascii() or not token.decode("ascii").isprintable():
        raise ValueError("holds other characters than printable ASCII, or more than one line")
    return token.decode("ascii")
