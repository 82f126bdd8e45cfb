"""Header names that are the gateway's or the connection's own: no route may send them upstream as it likes."""

RESERVED = frozenset(
    {
        "host", "connection", "upgrade", "keep-alive", "te", "trailer", "transfer-encoding", "content-length",
        "proxy-authorization", "proxy-connection", "authorization", "cookie", "x-request-id", "forwarded",
        "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "via",
    }
)  # fmt: skip


def plain(name: str) -> str:
    """The name as upstreams compare it: many read _ as -."""
    return name.lower().replace("_", "-")


def is_reserved(name: str) -> bool:
    """Whether it is one of RESERVED or belongs to the WebSocket handshake."""
    return plain(name) in RESERVED or plain(name).startswith("sec-websocket-")
