"""Kubernetes objects as the tests write them."""

from collections.abc import Mapping
from typing import Any

API_VERSION = "wsgate.dev/v1alpha1"
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def wsroute(namespace: str, name: str, **spec: Any) -> dict[str, Any]:
    """A WsRoute."""
    return _custom("WsRoute", namespace, name, spec)


def tokenrevocation(namespace: str, name: str, **spec: Any) -> dict[str, Any]:
    """A TokenRevocation."""
    return _custom("TokenRevocation", namespace, name, spec)


def namespace(name: str) -> dict[str, Any]:
    """A Namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def role_binding(namespace: str, user: str, cluster_role: str) -> dict[str, Any]:
    """Gives a user the rights of a ClusterRole in one namespace."""
    api_group = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{api_group}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": f"{user}-{cluster_role}", "namespace": namespace},
        "roleRef": {"apiGroup": api_group, "kind": "ClusterRole", "name": cluster_role},
        "subjects": [{"apiGroup": api_group, "kind": "User", "name": user}],
    }


def pod(namespace: str, name: str, labels: Mapping[str, str]) -> dict[str, Any]:
    """A Pod that no node will ever run."""
    container = {"name": "main", "image": "wsgate.invalid/none", "securityContext": RESTRICTED}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": dict(labels)},
        "spec": {"containers": [container], "automountServiceAccountToken": False},
    }


def config_map(namespace: str, name: str, data: Mapping[str, str]) -> dict[str, Any]:
    """A ConfigMap."""
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": dict(data)}


def _custom(kind: str, namespace: str, name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": dict(spec)}
