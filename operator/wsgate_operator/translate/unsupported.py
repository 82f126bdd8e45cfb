"""What the data plane does not do yet: the one list.

Each makes a session stricter, so a route that asks for it is refused: ignoring it would fail open.
"""

from collections.abc import Callable
from dataclasses import dataclass

from wsgate_contract.route import MQTTTopics, RoutePolicy

Policy = RoutePolicy


@dataclass(frozen=True)
class Unsupported:
    """One feature: the field that asks for it, and what to write until it is built."""

    field: str
    is_used: Callable[[Policy], bool]
    advice: str


REFUSED = (
    Unsupported("spec.mqtt.topics", lambda spec: spec.mqtt.topics != MQTTTopics(), "leave it to the broker"),
    Unsupported(
        "spec.auth.replay",
        lambda spec: spec.auth.replay != "Allow",
        "use Allow or leave it out",
    ),
    Unsupported(
        "spec.auth.providers[].introspection",
        lambda spec: any(provider.introspection is not None for provider in spec.auth.providers),
        "use an issuer of JWTs and leave it out",
    ),
)


def refusal_of(spec: Policy) -> str | None:
    """Why the route cannot be served yet, or None."""
    found = [f"{row.field} is not supported yet: {row.advice}" for row in REFUSED if row.is_used(spec)]
    return "; ".join(found) or None
