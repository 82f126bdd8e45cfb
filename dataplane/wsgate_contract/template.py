"""Templates of an MQTT client id or user name: text with {placeholders}."""

import re
from collections.abc import Callable

CLIENT_ID, USER_NAME = "clientID", "userName"
"""Placeholders for what the client itself has sent; all others name claims by their dotted path."""

TEMPLATE_PATTERN = r"^([^{}]|\{[^{}]+\})+$"
CLIENT_ID_PATTERN = r"^(Keep|Prefix|[^{}]*\{[^{}]+\}([^{}]|\{[^{}]+\})*)$"
"""A template without any placeholder would give all clients one id, and the broker keeps one of them."""

_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")


def filled(template: str, value_of: Callable[[str], str]) -> str:
    """The template with each placeholder's value."""
    return _PLACEHOLDER.sub(lambda found: value_of(found[1]), template)


def claims_in(template: str) -> tuple[str, ...]:
    """The claims that it asks for."""
    return tuple(name for name in _PLACEHOLDER.findall(template) if name not in (CLIENT_ID, USER_NAME))
