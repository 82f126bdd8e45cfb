"""What the data plane does not do yet: the one list, of what is refused and of what is ignored with a warning.

A field that makes a session stricter is refused, since ignoring it would fail open.
"""

from collections.abc import Callable
from dataclasses import dataclass

from wsgate_contract.route import MQTT, Limits, RoleForwarding, RoutePolicy

Policy = RoutePolicy
SUPPORTED_SOURCES = frozenset({"Header", "Cookie", "Query", "SubProtocol"})


@dataclass(frozen=True)
class Unsupported:
    """One feature: the field that asks for it, and what to write until it is built."""

    field: str
    is_used: Callable[[Policy], bool]
    advice: str


REFUSED = (
    Unsupported("spec.protocol: MQTT", lambda spec: spec.protocol == "MQTT", "use Raw or leave it out"),
    Unsupported("spec.mqtt", lambda spec: spec.mqtt != MQTT(), "leave it out"),
    Unsupported(
        "spec.auth.tokenSources without Header, Cookie, Query or SubProtocol",
        lambda spec: not SUPPORTED_SOURCES & set(spec.auth.token_sources),
        "add one of them",
    ),
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
    Unsupported("spec.rateLimit", lambda spec: spec.rate_limit is not None, "leave it out"),
    Unsupported(
        "spec.upstreamTLS.clientCertificateRef",
        lambda spec: spec.upstream_tls.client_certificate_ref is not None,
        "leave it out",
    ),
)

IGNORED = (
    Unsupported(
        "spec.auth.tokenSources: MQTTPassword, FirstMessage",
        lambda spec: bool(set(spec.auth.token_sources) - SUPPORTED_SOURCES),
        "clients must send the token in the handshake",
    ),
    Unsupported(
        "spec.auth.forward.roles.userProperty",
        lambda spec: spec.auth.forward.roles.user_property != RoleForwarding().user_property,
        "no MQTT session is opened",
    ),
    Unsupported(
        "spec.auth.forward.mqttPassword",
        lambda spec: spec.auth.forward.mqtt_password != "Keep",
        "no MQTT session is opened",
    ),
    Unsupported(
        "spec.limits.firstMessageBytes and firstMessageSeconds",
        lambda spec: (
            (spec.limits.first_message_bytes, spec.limits.first_message_seconds)
            != (Limits().first_message_bytes, Limits().first_message_seconds)
        ),
        "no first message is waited for",
    ),
)


def refusal_of(spec: Policy) -> str | None:
    """Why the route cannot be served yet, or None."""
    found = [f"{row.field} is not supported yet: {row.advice}" for row in REFUSED if row.is_used(spec)]
    return "; ".join(found) or None


def warnings_of(spec: Policy) -> tuple[str, ...]:
    """What the route asks for that has no effect yet."""
    return tuple(f"{row.field} has no effect yet: {row.advice}" for row in IGNORED if row.is_used(spec))
