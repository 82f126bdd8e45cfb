"""etcd, kube-apiserver and kube-controller-manager on loopback, with RBAC."""

import json
import secrets
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import yaml
from cryptography.hazmat.primitives.asymmetric import ec

from e2e.certificates import Authority, write_key
from e2e.daemon import Daemon, free_port
from e2e.kubectl import Kubectl
from e2e.programs import program

START_SECONDS = 60.0
FETCH_SECONDS = 2.0
CONTROLLERS = (
    "clusterrole-aggregation-controller",
    "garbage-collector-controller",
    "namespace-controller",
    "root-ca-certificate-publisher-controller",
    "serviceaccount-controller",
)
"""None that makes Pods: the tests start data planes themselves."""
AUDIT_POLICY = """
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: Metadata, userGroups: ["system:serviceaccounts"]}
- {level: None}
"""
NAMES = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "127.0.0.1", "10.0.0.1")


class Cluster:
    """`with Cluster(folder) as cluster`; all state is below the folder and lives as long as the block."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._admin_token = secrets.token_hex(16)
        self._authority = Authority(self._made("pki"))
        etcd_port = free_port()
        self._write_files()
        self.etcd = Daemon("etcd", _etcd(etcd_port, free_port()), folder)
        self.api_server = Daemon("kube-apiserver", self._api_server(etcd_port), folder)
        self.controllers = Daemon("kube-controller-manager", self._controller_manager(), folder)
        self.kubectl = Kubectl(self._kubeconfig("admin", token=self._admin_token))

    @property
    def url(self) -> str:
        """https://host:port of the API server."""
        return f"https://127.0.0.1:{self._port}"

    @property
    def daemons(self) -> tuple[Daemon, ...]:
        """For their logs."""
        return (self.etcd, self.api_server, self.controllers)

    def __enter__(self) -> Self:
        try:
            self.etcd.start()
            self.start_api_server()
            self.controllers.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.controllers.kill()
        self.api_server.kill()
        self.etcd.kill()

    def start_api_server(self) -> None:
        """Start it and wait for /readyz; it keeps port, state, tokens and certificates."""
        self.api_server.start()
        self.api_server.wait(self._is_ready, "answers /readyz", START_SECONDS)

    def stop_api_server(self) -> None:
        """At once: watches break, nothing is answered any more."""
        self.api_server.kill()

    def service_account_kubeconfig(self, namespace: str, name: str) -> Path:
        """A kubeconfig with a token of the service account, good for a day."""
        token = self.kubectl("create", "token", name, "--namespace", namespace, "--duration", "24h").strip()
        return self._kubeconfig(f"{namespace}-{name}", token=token)

    def user_kubeconfig(self, name: str, groups: Sequence[str] = ()) -> Path:
        """A kubeconfig of a person, who may do nothing until RBAC says otherwise."""
        certificate, key = self._authority.client(name, groups)
        files = {"client-certificate": str(certificate), "client-key": str(key)}
        return self._kubeconfig(name, **files)

    def get(self, path: str) -> dict[str, Any] | None:
        """GET as admin, None for 404; OSError where the API server is away. Faster than kubectl."""
        text = self._fetch(path)
        return None if text is None else json.loads(text)

    def requests(self, service_account: str) -> Iterator[dict[str, Any]]:
        """The audit events of what a service account (NAMESPACE:NAME) has asked."""
        user = f"system:serviceaccount:{service_account}"
        for line in (self._folder / "audit.log").read_text().splitlines(keepends=True):
            # The last line may be half written.
            if line.endswith("\n") and (event := json.loads(line))["user"]["username"] == user:
                yield event

    def _is_ready(self) -> bool:
        try:
            return self._fetch("/readyz") == b"ok"
        except OSError:
            return False

    def _fetch(self, path: str) -> bytes | None:
        headers = {"Authorization": f"Bearer {self._admin_token}"}
        request = urllib.request.Request(self.url + path, headers=headers)
        context = ssl.create_default_context(cafile=str(self._authority.certificate))
        try:
            with urllib.request.urlopen(request, timeout=FETCH_SECONDS, context=context) as response:
                body: bytes = response.read()
                return body
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 404:
                    return None
                raise

    def _made(self, name: str) -> Path:
        path = self._folder / name
        path.mkdir()
        return path

    def _write_files(self) -> None:
        write_key(self._folder / "pki/service-accounts.key", ec.generate_private_key(ec.SECP256R1()))
        (self._folder / "audit-policy.yaml").write_text(AUDIT_POLICY)
        self._manager_token = secrets.token_hex(16)
        (self._folder / "tokens.csv").write_text(
            f'{self._admin_token},admin,admin,"system:masters"\n'
            f"{self._manager_token},system:kube-controller-manager,manager\n"
        )

    def _api_server(self, etcd_port: int) -> list[str | Path]:
        certificate, key = self._authority.server("kube-apiserver", NAMES)
        signing, issuer = "pki/service-accounts.key", "https://kubernetes.default.svc.cluster.local"
        options = {
            "etcd-servers": f"http://127.0.0.1:{etcd_port}",
            "bind-address": "127.0.0.1",
            "secure-port": self._port,
            "advertise-address": "127.0.0.1",
            "endpoint-reconciler-type": "none",
            "service-cluster-ip-range": "10.0.0.0/24",
            "tls-cert-file": certificate,
            "tls-private-key-file": key,
            "client-ca-file": self._authority.certificate,
            "authorization-mode": "RBAC",
            "token-auth-file": "tokens.csv",
            "service-account-issuer": issuer,
            "service-account-key-file": signing,
            "service-account-signing-key-file": signing,
            "api-audiences": issuer,
            "audit-policy-file": "audit-policy.yaml",
            "audit-log-path": "audit.log",
            "audit-log-mode": "blocking",
        }
        return [program("kube-apiserver"), *_flags(options)]

    def _controller_manager(self) -> list[str | Path]:
        kubeconfig = self._kubeconfig("controllers", token=self._manager_token)
        options = {
            "kubeconfig": kubeconfig,
            # Nobody asks it anything.
            "authentication-skip-lookup": "true",
            "use-service-account-credentials": "true",
            "service-account-private-key-file": "pki/service-accounts.key",
            "root-ca-file": self._authority.certificate,
            "bind-address": "127.0.0.1",
            "secure-port": free_port(),
            "leader-elect": "false",
            "controllers": ",".join(CONTROLLERS),
        }
        return [program("kube-controller-manager"), *_flags(options)]

    def _kubeconfig(self, name: str, **user: str) -> Path:
        certificate = str(self._authority.certificate)
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "e2e", "cluster": {"server": self.url, "certificate-authority": certificate}}],
            "users": [{"name": name, "user": user}],
            "contexts": [{"name": name, "context": {"cluster": "e2e", "user": name}}],
            "current-context": name,
        }
        path = self._folder / f"{name}.kubeconfig"
        path.touch(0o600)
        path.write_text(yaml.safe_dump(document))
        return path


def _etcd(port: int, peer_port: int) -> list[str | Path]:
    client, peer = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peer_port}"
    options = {
        "data-dir": "etcd",
        "listen-client-urls": client,
        "advertise-client-urls": client,
        "listen-peer-urls": peer,
        "initial-advertise-peer-urls": peer,
        "initial-cluster": f"default={peer}",
        "log-level": "error",
    }
    return [program("etcd"), "--unsafe-no-fsync", *_flags(options)]


def _flags(options: dict[str, Any]) -> list[str]:
    return [f"--{name}={value}" for name, value in options.items()]
