"""WsRoute: what to serve under a prefix, for whom, and how."""

import re
from typing import Literal

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from wsgate_contract.route import RoutePolicy
from wsgate_operator.resources.metadata import GatewayName, Resource, Status

RESERVED_PREFIXES = ("/healthz", "/.wsgate")
UNSAFE_SEGMENT_PATTERN = r"/\.\.?(/|$)"
UNSAFE_ENCODING_PATTERN = r"%(2[EeFf]|5[Cc]|00)"
"""Requests with these are refused before routing, so such a prefix would never match."""


def servable_prefix(prefix: str) -> str:
    """The prefix itself; raises PydanticCustomError where no request could reach it."""
    for reserved in RESERVED_PREFIXES:
        if prefix == reserved or prefix.startswith(reserved + "/"):
            raise PydanticCustomError(
                "prefix_reserved",
                "{reserved} is the gateway's own; choose another prefix",
                {"reserved": reserved},
            )
    if re.search(UNSAFE_SEGMENT_PATTERN, prefix) or re.search(UNSAFE_ENCODING_PATTERN, prefix):
        raise PydanticCustomError(
            "prefix_unsafe",
            "no request is ever routed with a dot segment or an encoded dot, slash or backslash; "
            "write the path without them",
        )
    return prefix


class WsRouteSpec(RoutePolicy):
    """A route and the gateway that serves it."""

    gateway_name: GatewayName = Field(
        default="wsgate",
        description="The gateway that serves the route (its WSGATE_GATEWAY_NAME). Immutable.",
    )

    @field_validator("prefix")
    @classmethod
    def _prefix_can_be_served(cls, prefix: str) -> str:
        return servable_prefix(prefix)


class WsRouteStatus(Status):
    """State of a WsRoute; conditions Accepted, ResolvedRefs, Programmed, Ready."""

    programmed_version: int | None = Field(
        default=None, ge=0, description="The version of the rendered routes that holds this generation."
    )


class WsRoute(Resource):
    """A route of the gateway."""

    kind: Literal["WsRoute"] = Field(description="WsRoute.")
    spec: WsRouteSpec = Field(description="What is wanted.")
    status: WsRouteStatus | None = Field(default=None, description="What is; written by the operator.")
