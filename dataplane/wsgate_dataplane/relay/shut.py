"""Shut the writing side of a connection: FIN behind what is buffered."""

import asyncio


def shut(transport: asyncio.Transport) -> None:
    """The peer reads to the end; one that is gone already is dropped. Not for TLS, which has no half-close."""
    try:
        transport.write_eof()
    except OSError:
        # Of the plain loop: on one machine the answer to what was just written is RST before this call.
        transport.abort()
