"""The tests' control plane, with what a node and its pods need beside."""

from pathlib import Path

from e2e.cluster import Cluster

NODE_ADDRESS = "10.88.0.1"


class ControlPlane(Cluster):
    """Pods reach the API server at the node's address, and it reaches the kubelet; every controller runs."""

    @property
    def authority_certificate(self) -> Path:
        """For the kubelet, which asks its callers for a certificate."""
        return self._authority.certificate

    def _api_server(self, etcd_port: int) -> list[str | Path]:
        certificate, key = self._authority.client("kubelet-client", ["system:masters"])
        # The last of two equal flags counts, but lists add up.
        return [
            *super()._api_server(etcd_port),
            "--bind-address=0.0.0.0",
            f"--advertise-address={NODE_ADDRESS}",
            "--endpoint-reconciler-type=lease",
            "--authorization-mode=Node",
            "--enable-admission-plugins=NodeRestriction",
            f"--kubelet-client-certificate={certificate}",
            f"--kubelet-client-key={key}",
            "--kubelet-preferred-address-types=InternalIP",
        ]

    def _controller_manager(self) -> list[str | Path]:
        return [*super()._controller_manager(), "--controllers=*"]
