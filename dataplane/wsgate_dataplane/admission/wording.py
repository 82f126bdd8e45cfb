"""How a refusal's detail is worded: what was expected and what was found, short enough for a log line."""

SHOWN_MAX = 200
"""Characters shown of a value; tokens are written by strangers."""


def expected(wanted: str, found: object) -> str:
    """One clause for Refused.detail."""
    return f"expected {shortened(wanted)}, found {shown(found)}"


def shown(value: object) -> str:
    """ASCII, so that no control character or bidirectional override reaches a terminal."""
    return "none" if value is None else shortened(ascii(value))


def shortened(text: str) -> str:
    """At most SHOWN_MAX characters."""
    return text if len(text) <= SHOWN_MAX else text[: SHOWN_MAX - 1] + "…"
