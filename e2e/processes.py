"""The operator and data planes as processes, as their Deployments start them."""

import json
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from e2e.cluster import Cluster
from e2e.daemon import Daemon, free_port
from e2e.mount import Mount
from e2e.objects import pod

READY_SECONDS = 30.0
HTTP_SECONDS = 5.0
NAMESPACE = "wsgate-system"
GATEWAY = "wsgate"
CONFIG_MAPS = (f"{GATEWAY}-routes", f"{GATEWAY}-revocations")
SECRET = f"{GATEWAY}-secrets"
POD_LABELS = {
    "app.kubernetes.io/name": "wsgate",
    "app.kubernetes.io/component": "dataplane",
    "app.kubernetes.io/instance": GATEWAY,
}
ADMIN_TOKEN = "the-admin-token-of-the-end-to-end-tests"


class Component:
    """One process of ours: its admin listener and its log of JSON lines."""

    def __init__(
        self,
        name: str,
        folder: Path,
        environ: Mapping[str, str],
        admin_port: int,
        command: Sequence[str],
    ) -> None:
        self.name = name
        self.admin_port = admin_port
        self.daemon = Daemon(name, [sys.executable, "-m", *command], folder, {"PYTHONUNBUFFERED": "1", **environ})

    @property
    def admin_url(self) -> str:
        """http://host:port of the admin listener."""
        return f"http://127.0.0.1:{self.admin_port}"

    def start(self) -> None:
        """Start it; nothing is waited for."""
        self.daemon.start()

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        return self.daemon.stop()

    def kill(self) -> None:
        """SIGKILL."""
        self.daemon.kill()

    def restart(self) -> None:
        """SIGKILL, start, wait until it is ready."""
        self.kill()
        self.start()
        self.wait_ready()

    def wait_ready(self) -> None:
        """Until /readyz says so."""
        self.daemon.wait(self.is_ready, "ready", READY_SECONDS)

    def is_ready(self) -> bool:
        """What /readyz says; False where nothing answers."""
        return self.status("/readyz") == 200

    def status(self, path: str) -> int | None:
        """The status of a GET, None where nothing answers."""
        try:
            with urllib.request.urlopen(self.admin_url + path, timeout=HTTP_SECONDS) as response:
                found: int = response.status
                return found
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        except OSError:
            return None

    def metrics(self) -> dict[str, float]:
        """The samples of the metrics page by name and labels."""
        with urllib.request.urlopen(f"{self.admin_url}/metrics", timeout=HTTP_SECONDS) as response:
            lines = response.read().decode().splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    def logged(self, message: str = "") -> list[dict[str, Any]]:
        """The log lines with that message, or all."""
        lines = [line for line in self.daemon.text().splitlines(keepends=True) if line.startswith("{")]
        # The last line may be half written.
        found = [json.loads(line) for line in lines if line.endswith("\n")]
        return [line for line in found if message in ("", line["message"])]


class Serving(Component):
    """One that serves clients, and has the admin API."""

    def __init__(self, name: str, folder: Path, environ: Mapping[str, str], command: Sequence[str]) -> None:
        self.port, admin_port = free_port(), free_port()
        listeners = ["--listen", f"127.0.0.1:{self.port}", "--admin-listen", f"127.0.0.1:{admin_port}"]
        settings = {"WSGATE_ADMIN_TOKEN": ADMIN_TOKEN, **environ}
        super().__init__(name, folder, settings, admin_port, [*command, *listeners])

    @property
    def url(self) -> str:
        """ws://host:port of the public listener."""
        return f"ws://127.0.0.1:{self.port}"

    def admin(self, path: str, body: object = None, token: str = ADMIN_TOKEN) -> tuple[int, Any]:
        """Status and document of an admin call: GET, or POST with a body."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.admin_url + path, data, headers)
        try:
            with urllib.request.urlopen(request, timeout=HTTP_SECONDS) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)


class Operator(Component):
    """The operator with the token of its service account, and no other right."""

    SERVICE_ACCOUNT = f"{NAMESPACE}:wsgate-operator"

    def __init__(self, cluster: Cluster, folder: Path, environ: Mapping[str, str]) -> None:
        kubeconfig = cluster.service_account_kubeconfig(*self.SERVICE_ACCOUNT.split(":"))
        admin_port = free_port()
        settings = {
            "KUBECONFIG": str(kubeconfig),
            "WSGATE_NAMESPACE": NAMESPACE,
            "WSGATE_GATEWAY_NAME": GATEWAY,
            "WSGATE_ADMIN_LISTEN": f"127.0.0.1:{admin_port}",
        }
        super().__init__("operator", folder, {**settings, **environ}, admin_port, ["wsgate_operator"])


class Plane(Serving):
    """A data plane, its Pod object and its mounted folders; in use between __enter__ and __exit__."""

    def __init__(self, name: str, cluster: Cluster, folder: Path, environ: Mapping[str, str]) -> None:
        self.mount = Mount(cluster, NAMESPACE, CONFIG_MAPS, folder / f"{name}-etc")
        self._secrets = Mount(cluster, NAMESPACE, [SECRET], folder / f"{name}-secrets", "secrets")
        settings = {
            "ROUTE_FILE": str(self.mount.folder / "routes.yaml"),
            "WSGATE_SECRETS_DIR": str(self._secrets.folder),
            "WSGATE_POD_NAME": name,
            "WSGATE_GATEWAY_NAME": GATEWAY,
        }
        super().__init__(name, folder, {**settings, **environ}, ["wsgate_dataplane"])
        self._cluster = cluster

    def __enter__(self) -> Self:
        register_pod(self._cluster, self.name)
        self.mount.__enter__()
        self._secrets.__enter__()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._secrets.__exit__()
        self.mount.__exit__()
        remove_pod(self._cluster, self.name)

    def annotations(self) -> dict[str, str]:
        """Of its Pod."""
        document = self._cluster.get(f"/api/v1/namespaces/{NAMESPACE}/pods/{self.name}")
        assert document is not None
        found: dict[str, str] = document["metadata"].get("annotations", {})
        return found

    def routes_version(self) -> int:
        """Of the rendered routes that it serves."""
        _, document = self.admin("/admin/routes?limit=1")
        version: int = document["version"]
        return version


def register_pod(cluster: Cluster, name: str) -> None:
    """Make the Pod of a data plane, by whose labels the operator finds it; no node has it, yet it is Running."""
    cluster.kubectl.apply(pod(NAMESPACE, name, POD_LABELS))
    running = json.dumps({"status": {"phase": "Running", "podIP": "127.0.0.1"}})
    cluster.kubectl("patch", "pod", name, "-n", NAMESPACE, "--subresource", "status", "-p", running)


def remove_pod(cluster: Cluster, name: str) -> None:
    """Delete it at once: no kubelet would ever confirm that it ended."""
    cluster.kubectl("delete", "pod", name, "-n", NAMESPACE, "--force", "--grace-period", "0")
