"""The Role and RoleBinding by which a namespace lets the operator read one Secret; pure."""

import json
import re
from dataclasses import dataclass

from wsgate_cli.plugin.flags import FlagError

NAME_LENGTH_MAX = 253
RBAC = "rbac.authorization.k8s.io"

_SECRET_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@dataclass(frozen=True, kw_only=True)
class Grant:
    """What was asked for, as it was typed; without a namespace, kubectl's own is meant."""

    secret: str
    namespace: str | None
    gateway_name: str
    operator_namespace: str
    service_account: str


def to_yaml(grant: Grant) -> str:
    """Both objects, for `kubectl apply -f -`; raises FlagError."""
    _check(grant)
    name = f"{grant.gateway_name}-secret-{grant.secret}"
    metadata = f"name: {json.dumps(name)}"
    if grant.namespace is not None:
        metadata += f", namespace: {json.dumps(grant.namespace)}"
    return f"""\
# The operator of gateway {grant.gateway_name} may read Secret {grant.secret}, and no other.
apiVersion: {RBAC}/v1
kind: Role
metadata: {{{metadata}}}
rules:
- apiGroups: [""]
  resources: [secrets]
  resourceNames: [{json.dumps(grant.secret)}]
  verbs: [get]
---
apiVersion: {RBAC}/v1
kind: RoleBinding
metadata: {{{metadata}}}
roleRef: {{apiGroup: {RBAC}, kind: Role, name: {json.dumps(name)}}}
subjects:
- kind: ServiceAccount
  name: {json.dumps(grant.service_account)}
  namespace: {json.dumps(grant.operator_namespace)}
"""


def _check(grant: Grant) -> None:
    given = (
        ("NAME", grant.secret, _SECRET_NAME),
        ("--namespace", grant.namespace, _LABEL),
        ("--gateway-name", grant.gateway_name, _LABEL),
        ("--operator-namespace", grant.operator_namespace, _LABEL),
        ("--service-account", grant.service_account, _SECRET_NAME),
    )
    for flag, value, form in given:
        if value is not None and (len(value) > NAME_LENGTH_MAX or not form.fullmatch(value)):
            raise FlagError(
                f"{flag}: {value[:64]!r} is no name of Kubernetes: use lower-case letters, digits and -"
            )
