"""The rules between fields in CEL, by their place in the spec; the models hold the same rules in Python."""

from collections.abc import Mapping
from dataclasses import dataclass

from wsgate_operator.resources.tokenrevocation import MATCHERS, TokenRevocationSpec
from wsgate_operator.resources.wsroute import (
    RESERVED_PREFIXES,
    UNSAFE_ENCODING_PATTERN,
    UNSAFE_SEGMENT_PATTERN,
)


@dataclass(frozen=True)
class Rule:
    """An expression over self (and oldSelf) that must hold, and the words when it does not."""

    expression: str
    message: str


IMMUTABLE_GATEWAY = Rule("self == oldSelf", "gatewayName is immutable; delete the object and create it anew")


def rules_of(kind: str) -> Mapping[str, tuple[Rule, ...]]:
    """The rules of a kind by path below spec; "" is the spec, [] the elements of a list."""
    return {"WsRoute": _WSROUTE, "TokenRevocation": _TOKENREVOCATION}[kind]


def _not_reserved(prefix: str) -> Rule:
    return Rule(
        f"self != '{prefix}' && !self.startsWith('{prefix}/')",
        f"{prefix} is the gateway's own; choose another prefix",
    )


def _not_matching(pattern: str, message: str) -> Rule:
    return Rule(f"!self.matches(r'{pattern}')", message)


def _unchanged_fields() -> tuple[Rule, ...]:
    # On the spec, not on the field: a rule on a field does not see it added or removed. has() and not
    # `self.?x == oldSelf.?x`: the API server cannot bound the cost of that and refuses the definition.
    names = [field.alias or name for name, field in TokenRevocationSpec.model_fields.items()]
    kept = [name for name in names if name not in {"expiresAt", "gatewayName"}]
    return tuple(
        Rule(
            f"has(self.{name}) == has(oldSelf.{name}) && (!has(self.{name}) || self.{name} == oldSelf.{name})",
            f"{name} is immutable; only expiresAt may be changed, create another TokenRevocation",
        )
        for name in kept
    )


_WSROUTE: Mapping[str, tuple[Rule, ...]] = {
    "": (
        Rule(
            "has(self.upstream) != (has(self.upstreams) && size(self.upstreams) > 0)",
            "exactly one of upstream and upstreams is needed; give one of them",
        ),
    ),
    "gatewayName": (IMMUTABLE_GATEWAY,),
    "prefix": (
        *(_not_reserved(prefix) for prefix in RESERVED_PREFIXES),
        _not_matching(UNSAFE_SEGMENT_PATTERN, "dot segments are never routed; write the path without them"),
        _not_matching(
            UNSAFE_ENCODING_PATTERN,
            "encoded dots, slashes and backslashes are never routed; write the path without them",
        ),
    ),
    "auth.providers[].jwks": (
        Rule("!has(self.uri) || !has(self.inline)", "uri and inline exclude each other; keep one"),
    ),
    "rateLimit": (
        Rule(
            "has(self.messagesPerSecond) || has(self.bytesPerSecond)",
            "nothing is limited; add messagesPerSecond or bytesPerSecond",
        ),
        Rule(
            "!has(self.burst) || has(self.messagesPerSecond)",
            "burst needs messagesPerSecond; add it or remove burst",
        ),
    ),
    "auth.expiry": (
        Rule(
            "!has(self.mode) || self.mode != 'Session' || has(self.maxSessionSeconds)",
            "mode Session needs maxSessionSeconds, for example 28800",
        ),
    ),
}

_TOKENREVOCATION: Mapping[str, tuple[Rule, ...]] = {
    "": (
        Rule(
            " || ".join(f"has(self.{name})" for name in MATCHERS)
            + " || (has(self.issuer) && has(self.issuedBefore))",
            "nothing selects a token; add one of jti, subject, sessionID, tokenSHA256, claim, or issuer "
            "with issuedBefore",
        ),
        Rule(
            "!has(self.expiresAt) || !has(self.issuedBefore) || self.expiresAt > self.issuedBefore",
            "expiresAt is not after issuedBefore; set a later expiresAt or leave it out",
        ),
        *_unchanged_fields(),
    ),
    "gatewayName": (IMMUTABLE_GATEWAY,),
}
