"""One node: containerd, kubelet, kube-scheduler, kube-proxy and a small DNS server beside the control plane."""

import json
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import yaml

from e2e.daemon import Daemon
from e2e.node.control_plane import NODE_ADDRESS, ControlPlane
from e2e.processes import NAMESPACE
from e2e.programs import program

NAME = "wsgate-node"
POD_CIDR = "10.88.0.0/16"
FIRST_POD = "10.88.1.1"
DOMAIN = "cluster.local"
SOCKET = Path("/run/containerd/containerd.sock")
START_SECONDS = 30.0
CONTAINERD = """
version = 2
root = "{state}/containerd"
[grpc]
address = "{socket}"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "docker.io/library/wsgate-pause:dev"
restrict_oom_score_adj = true
cni = {{ bin_dir = "/usr/lib/cni", conf_dir = "{state}/cni" }}
"""
"""The folder of CNI's programs is Debian's."""


class Node:
    """`with Node(...) as node`, inside the namespaces that inside.sh makes; all files are below state.

    Image archives (wsgate-*.tar) come from a folder; pods go below a cgroup that exists, "/NAME".
    """

    def __init__(self, state: Path, images: Path, cgroup: str) -> None:
        self.cluster = ControlPlane(state)
        self.kubectl = self.cluster.kubectl
        self._state = state
        self._images = images
        self._cgroup = cgroup
        self._names = state / "names"
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def is_ready(self) -> bool:
        """Whether it takes pods."""
        found = self.cluster.get(f"/api/v1/nodes/{NAME}") or {"status": {}}
        conditions = {each["type"]: each["status"] for each in found["status"].get("conditions", [])}
        return conditions.get("Ready") == "True"

    def volume(self, pod_uid: str, name: str) -> Path:
        """The folder of a pod's projected volume, as the kubelet writes it."""
        return self._state / f"kubelet/pods/{pod_uid}/volumes/kubernetes.io~projected/{name}"

    def name_services(self) -> None:
        """Let pods resolve the Services that there are now: no CoreDNS runs here."""
        lines = []
        for service in self.kubectl.json("get", "services", "--all-namespaces")["items"]:
            metadata = service["metadata"]
            lines.append(
                f"{service['spec']['clusterIP']} {metadata['name']}.{metadata['namespace']}.svc.{DOMAIN}\n"
            )
        (self._names / "services").write_text("".join(lines))

    def memory(self, namespace: str) -> dict[str, int]:
        """The working sets of a namespace's pods in MiB, by the kubelet."""
        stats = json.loads(self.kubectl("get", "--raw", f"/api/v1/nodes/{NAME}/proxy/stats/summary"))
        pods = [pod for pod in stats["pods"] if pod["podRef"]["namespace"] == namespace]
        return {pod["podRef"]["name"]: pod["memory"]["workingSetBytes"] >> 20 for pod in pods}

    def keep_logs(self) -> None:
        """Write what the pods have said, and what the API server knows, beside the logs of the daemons."""
        wanted = {
            "operator": ("logs", "-n", NAMESPACE, "deployment/wsgate-operator"),
            "data-planes": (
                "logs",
                "-n",
                NAMESPACE,
                "--prefix",
                "-l",
                "app.kubernetes.io/component=dataplane",
                "--tail=-1",
            ),
            "objects": ("get", "wsroutes,tokenrevocations,pods", "-A", "-o", "yaml"),
            "events": ("get", "events", "-A"),
        }
        for name, words in wanted.items():
            done = self.kubectl.run(*words)
            (self._state / f"{name}.log").write_text(done.stdout + done.stderr)

    def _start(self) -> None:
        self._names.mkdir()
        self._write_network()
        runtime = self._run("containerd", "containerd", "--config", self._write_runtime())
        runtime.wait(SOCKET.exists, "listens", START_SECONDS)
        for archive in sorted(self._images.glob("wsgate-*.tar")):
            subprocess.run(["ctr", "-n", "k8s.io", "images", "import", archive], check=True, capture_output=True)
        self._stack.enter_context(self.cluster)
        self._run("dnsmasq", *self._names_server())
        self._run("kube-scheduler", program("kube-scheduler"), "--config", self._write_scheduler())
        self._run("kube-proxy", program("kube-proxy"), "--config", self._write_proxy())
        kubeconfig = self.cluster.user_kubeconfig(f"system:node:{NAME}", ["system:nodes"])
        self._run(
            "kubelet",
            program("kubelet"),
            *("--config", self._write_kubelet()),
            *("--kubeconfig", kubeconfig),
            *("--root-dir", self._state / "kubelet"),
            *("--hostname-override", NAME),
            *("--node-ip", NODE_ADDRESS),
        )

    def _run(self, name: str, *command: str | Path) -> Daemon:
        daemon = Daemon(name, command, self._state)
        daemon.start()
        self._stack.callback(daemon.stop)
        return daemon

    def _names_server(self) -> Sequence[str]:
        own = ["--conf-file=/dev/null", "--keep-in-foreground", "--user=root", "--bind-interfaces"]
        # Files of hostsdir are read anew when they change.
        names = ["--no-hosts", "--no-resolv", f"--local=/{DOMAIN}/", f"--hostsdir={self._names}"]
        return ["dnsmasq", *own, *names, f"--listen-address={NODE_ADDRESS}"]

    def _write_runtime(self) -> Path:
        path = self._state / "containerd.toml"
        path.write_text(CONTAINERD.format(state=self._state, socket=SOCKET))
        return path

    def _write_network(self) -> None:
        # ptp: between pods of one node everything is routed, so kube-proxy's rules see the answers too.
        ranges = [[{"subnet": POD_CIDR, "rangeStart": FIRST_POD, "gateway": NODE_ADDRESS}]]
        addresses = {"type": "host-local", "ranges": ranges, "routes": [{"dst": "0.0.0.0/0"}]}
        network = {"cniVersion": "0.4.0", "name": "pods", "plugins": [{"type": "ptp", "ipam": addresses}]}
        (self._state / "cni").mkdir()
        (self._state / "cni/pods.conflist").write_text(json.dumps(network))

    def _write_kubelet(self) -> Path:
        return self._write(
            "kubelet.config.k8s.io/v1beta1",
            "KubeletConfiguration",
            {
                "containerRuntimeEndpoint": f"unix://{SOCKET}",
                "authentication": {"x509": {"clientCAFile": str(self.cluster.authority_certificate)}},
                "clusterDNS": [NODE_ADDRESS],
                "clusterDomain": DOMAIN,
                "cgroupDriver": "cgroupfs",
                "cgroupRoot": self._cgroup,
                "enforceNodeAllocatable": ["pods"],
                "failCgroupV1": False,
                "failSwapOn": False,
                "oomScoreAdj": 0,
                # What a container may not do to its machine is logged instead of being an error.
                "featureGates": {"KubeletInUserNamespace": True},
                "evictionHard": {"nodefs.available": "1Mi"},
                "imageGCHighThresholdPercent": 100,
                "makeIPTablesUtilChains": False,
            },
        )

    def _write_scheduler(self) -> Path:
        return self._write(
            "kubescheduler.config.k8s.io/v1",
            "KubeSchedulerConfiguration",
            {
                "clientConnection": {"kubeconfig": self._user("system:kube-scheduler")},
                "leaderElection": {"leaderElect": False},
            },
        )

    def _write_proxy(self) -> Path:
        leave_as_it_is = {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"}
        return self._write(
            "kubeproxy.config.k8s.io/v1alpha1",
            "KubeProxyConfiguration",
            {
                "mode": "nftables",
                "clientConnection": {"kubeconfig": self._user("system:kube-proxy")},
                "hostnameOverride": NAME,
                "clusterCIDR": POD_CIDR,
                "conntrack": leave_as_it_is,
            },
        )

    def _user(self, name: str) -> str:
        return str(self.cluster.user_kubeconfig(name))

    def _write(self, api_version: str, kind: str, fields: dict[str, Any]) -> Path:
        path = self._state / f"{kind}.yaml"
        path.write_text(yaml.safe_dump({"apiVersion": api_version, "kind": kind, **fields}))
        return path
