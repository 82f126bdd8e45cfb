"""The original gateway's routes file: a list of prefix, upstream, copySubProtocol, preserveQuery."""

from typing import Any

from pydantic import Field, field_validator

from wsgate_contract.model import Value
from wsgate_contract.route import PREFIX_PATTERN, UpstreamURL
from wsgate_operator.resources.wsroute import servable_prefix


class LegacyRoute(Value):
    """One entry, with the original's defaults."""

    prefix: str = Field(min_length=1, max_length=512, pattern=PREFIX_PATTERN, description="Path prefix.")
    upstream: UpstreamURL = Field(description="Where sessions go: ws:// or wss://.")
    copy_sub_protocol: bool = Field(default=False, description="Offer the client's subprotocols upstream.")
    preserve_query: bool = Field(default=False, description="Send the client's query string upstream.")

    @field_validator("prefix", mode="before")
    @classmethod
    def _without_trailing_slash(cls, prefix: Any) -> Any:
        # The original compares text, so "/mqtt/" was good there; here prefixes end at a segment.
        if isinstance(prefix, str) and prefix.startswith("/"):
            return prefix.rstrip("/") or "/"
        return prefix

    @field_validator("prefix")
    @classmethod
    def _prefix_can_be_served(cls, prefix: str) -> str:
        return servable_prefix(prefix)


class LegacyRoutes(Value):
    """The list as a field, since a document of pydantic is a mapping."""

    routes: tuple[LegacyRoute, ...] = Field(max_length=5000, description="The entries.")
