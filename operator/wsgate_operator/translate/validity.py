"""Whether one route can be served at all, looked at alone."""

import json

from wsgate_contract.headers import is_reserved, plain
from wsgate_contract.template import claims_in
from wsgate_operator.resources.wsroute import WsRouteSpec
from wsgate_operator.translate.options import Options
from wsgate_operator.translate.unsupported import refusal_of


def invalidity_of(spec: WsRouteSpec, options: Options) -> str | None:
    """Why the route cannot be served, with the way out, or None."""
    faults = (
        _provider_missing(spec, options),
        _token_needed(spec),
        _source_unreachable(spec),
        _key_set_broken(spec),
        _weightless(spec),
        _header_taken(spec),
        _certificate_unseen(spec),
        refusal_of(spec),
    )
    return "; ".join(fault for fault in faults if fault is not None) or None


def _provider_missing(spec: WsRouteSpec, options: Options) -> str | None:
    auth = spec.auth
    if auth.mode != "Required" or auth.providers or options.has_environment_provider:
        return None
    return (
        "no identity provider: give the WsRoute spec.auth.providers, or set JWKS_URL in the gateway's "
        "environment (spec.auth.mode: Anonymous serves the route without tokens)"
    )


def _token_needed(spec: WsRouteSpec) -> str | None:
    if spec.auth.mode != "Anonymous":
        return None
    given = {
        "auth.providers": spec.auth.providers,
        "auth.claims": spec.auth.claims,
        "auth.forward.claimToHeaders": spec.auth.forward.claim_to_headers,
        "limits.maxConnectionsPerSubject": spec.limits.max_connections_per_subject,
        "mqtt.clientID": spec.mqtt.client_id == "Prefix" or claims_in(spec.mqtt.client_id),
        "mqtt.userName": claims_in(spec.mqtt.user_name or ""),
    }
    useless = " and ".join(f"spec.{name}" for name, value in given.items() if value)
    if not useless:
        return None
    return f"spec.auth.mode Anonymous checks no token, yet {useless} would need one: remove that, or the mode"


def _source_unreachable(spec: WsRouteSpec) -> str | None:
    sources = set(spec.auth.token_sources)
    if spec.protocol == "Raw" and sources == {"MQTTPassword"}:
        return "spec.auth.tokenSources has MQTTPassword alone, which no Raw session has: add another, or use Auto"
    if spec.protocol == "MQTT" and sources == {"FirstMessage"}:
        return "spec.auth.tokenSources has FirstMessage alone, but MQTT begins with CONNECT: use MQTTPassword"
    return None


def _key_set_broken(spec: WsRouteSpec) -> str | None:
    for index, provider in enumerate(spec.auth.providers):
        if provider.jwks.inline is not None and not _is_key_set(provider.jwks.inline):
            return (
                f"spec.auth.providers[{index}].jwks.inline is not a JSON Web Key Set: "
                'write JSON such as {"keys": [...]} as a block of text (inline: |)'
            )
    return None


def _is_key_set(text: str) -> bool:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and isinstance(document.get("keys"), list)


def _header_taken(spec: WsRouteSpec) -> str | None:
    forward = spec.auth.forward
    named = [("spec.auth.forward.roles.header", forward.roles.header)]
    for index, each in enumerate(forward.claim_to_headers):
        named.append((f"spec.auth.forward.claimToHeaders[{index}].header", each.header))
    seen: dict[str, str] = {}
    for field, header in named:
        if is_reserved(header):
            return f"{field}: {header} is the gateway's own to send; choose another name, such as X-User-Id"
        first = seen.setdefault(plain(header), field)
        if first != field:
            return f"{field}: {header} is also that of {first}, and two would be one to the upstream; rename one"
    return None


def _weightless(spec: WsRouteSpec) -> str | None:
    if any(target.weight > 0 for target in spec.targets):
        return None
    return "every weight in spec.upstreams is 0, so no session has a place to go: give one a weight of 1"


def _certificate_unseen(spec: WsRouteSpec) -> str | None:
    if spec.upstream_tls.client_certificate_ref is None:
        return None
    if all(target.url.startswith("wss:") for target in spec.targets):
        return None
    return (
        "spec.upstreamTLS.clientCertificateRef: a ws:// upstream is shown no certificate: write wss:// everywhere"
    )
