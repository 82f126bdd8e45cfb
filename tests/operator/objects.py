"""Objects in one line, for the operator's tests."""

from typing import Any

from wsgate_operator.resources.metadata import API_VERSION
from wsgate_operator.resources.parse import parse_object
from wsgate_operator.resources.tokenrevocation import TokenRevocation
from wsgate_operator.resources.wsroute import WsRoute
from wsgate_operator.translate.options import Options

STANDALONE = Options(root_namespace="default", has_environment_provider=True)


def document(kind: str, name: str, spec: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    """An object as a file or the API server has it."""
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": {"name": name, "namespace": "default", **metadata},
        "spec": spec,
    }


def wsroute(name: str = "chat", namespace: str = "default", created: str | None = None, **spec: Any) -> WsRoute:
    """A valid WsRoute at /<name> unless spec says otherwise."""
    if "upstreams" not in spec:
        spec.setdefault("upstream", "ws://chat:8080")
    spec.setdefault("prefix", f"/{name}")
    metadata = {"namespace": namespace, "creationTimestamp": created}
    found = parse_object(document("WsRoute", name, spec, **metadata))
    assert isinstance(found, WsRoute)
    return found


def revocation(name: str = "r", namespace: str = "default", **spec: Any) -> TokenRevocation:
    """A TokenRevocation."""
    found = parse_object(document("TokenRevocation", name, spec, namespace=namespace))
    assert isinstance(found, TokenRevocation)
    return found
