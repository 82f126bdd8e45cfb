"""A namespace and a person who may edit routes and revoke in it, and nowhere else."""

import itertools
from dataclasses import dataclass

from e2e.cluster import Cluster
from e2e.gateway import host_of
from e2e.kubectl import Kubectl
from e2e.objects import namespace, role_binding

ROLES = ("edit", "wsgate-revoker")

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Tenant:
    """kubectl is that person's; the namespace is new."""

    namespace: str
    kubectl: Kubectl

    @property
    def host(self) -> str:
        """The hostname that the tenant's routes have."""
        return host_of(self.namespace)


def new_tenant(cluster: Cluster) -> Tenant:
    """One with the roles that manifests/base have for tenants."""
    name = f"tenant-{next(_numbers)}"
    user = f"user-of-{name}"
    cluster.kubectl.apply(namespace(name), *(role_binding(name, user, role) for role in ROLES))
    return Tenant(name, Kubectl(cluster.user_kubeconfig(user)))
