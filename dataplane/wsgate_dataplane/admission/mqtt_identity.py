"""Who an MQTT client is to its broker: client id, user name and roles, written from the token. Pure."""

from collections.abc import Sequence
from urllib.parse import quote

from wsgate_contract.route import Route, TokenSource
from wsgate_contract.template import CLIENT_ID, USER_NAME, filled
from wsgate_dataplane.admission.claims import Claims, claim_values
from wsgate_dataplane.outcomes.refusal import Refused
from wsgate_dataplane.outcomes.table import Reason
from wsgate_dataplane.protocols.mqtt.connect import Connect, with_identity
from wsgate_dataplane.protocols.mqtt.fields import MQTTError


def identified(
    connect: Connect, route: Route, claims: Claims | None, roles: Sequence[str], source: TokenSource
) -> Connect:
    """The CONNECT for the upstream; source: where the token stood.

    Roles are user properties, one each, on MQTT 5; a client's own properties of that name are left out, whatever
    the version and whoever it is. Raises Refused: MQTT_CLIENT_ID, TOKEN_CLAIM_MISSING.
    """
    rules, forward = route.mqtt, route.auth.forward
    try:
        return with_identity(
            connect,
            client_id=_client_id(connect, rules.client_id, claims),
            user_name=None if rules.user_name is None else _filled(rules.user_name, connect, claims),
            strip_password=source == "MQTTPassword" and forward.mqtt_password == "Strip",
            user_property=forward.roles.user_property,
            values=roles,
        )
    except MQTTError as error:
        raise Refused(Reason.MQTT_CLIENT_ID, f"made of the token's claims: {error}") from None


def _client_id(connect: Connect, rule: str, claims: Claims | None) -> str | None:
    if rule == "Keep":
        return None
    if rule != "Prefix":
        return _filled(rule, connect, claims)
    if not connect.client_id:
        # The broker makes one up, which nobody else has.
        return None
    if claims is None or claims.subject is None:
        raise Refused(Reason.TOKEN_CLAIM_MISSING, "mqtt.clientID is Prefix, and the token has no sub")
    # Quoted, so that no subject's client ids can be another's: the first colon is the gateway's.
    return f"{quote(claims.subject, safe=' @', errors='replace')}:{connect.client_id}"


def _filled(template: str, connect: Connect, claims: Claims | None) -> str:
    own = {CLIENT_ID: connect.client_id, USER_NAME: connect.user_name or ""}

    def value_of(name: str) -> str:
        if name in own:
            return own[name]
        values = claim_values(claims.payload, name) if claims is not None else ()
        if len(values) != 1:
            raise Refused(
                Reason.TOKEN_CLAIM_MISSING, f"{template!r} asks for one value of {name}, found {len(values)}"
            )
        return values[0]

    return filled(template, value_of)
