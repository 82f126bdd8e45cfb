"""The upstream of the sessions, a process of its own: silent echo, at an address that data planes may dial."""

import asyncio
import sys

import uvloop
from picows import WSUpgradeRequest, ws_create_server

from ..echo_server import BACKLOG, Echo


def _listener(_request: WSUpgradeRequest) -> Echo:
    return Echo()


async def serve(host: str, port: int) -> None:
    """Echo until killed."""
    server = await ws_create_server(_listener, host, port, backlog=BACKLOG)
    await server.serve_forever()


def main() -> None:
    host, port = sys.argv[1:]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(host, int(port)))


if __name__ == "__main__":
    main()
