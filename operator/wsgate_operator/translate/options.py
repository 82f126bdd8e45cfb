"""What translate needs to know beside the objects."""

from dataclasses import dataclass
from typing import Literal

HostOwnership = Literal["Strict", "Shared"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """The gateway that is translated for."""

    root_namespace: str
    gateway_name: str = "wsgate"
    host_ownership: HostOwnership = "Strict"
    has_environment_provider: bool = False
