"""The upstream: an echo server on picows that answers all frames of one read with one write."""

import argparse
import asyncio

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

from .frames import BINARY, header

MESSAGE_BYTES_MAX = 16_777_216
BACKLOG = 4096


class Echo(WSListener):
    """One connection: binary messages come back, a Close is answered."""

    def __init__(self) -> None:
        self._replies: list[bytes] = []

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.BINARY:
            payload = frame.get_payload_as_bytes()
            self._replies += (header(BINARY, len(payload)), payload)
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code(), frame.get_close_message())
            transport.disconnect()
            return
        if frame.last_in_buffer and self._replies:
            # One write a read keeps the upstream cheap, so that the gateway between is what saturates.
            transport.underlying_transport.write(b"".join(self._replies))
            self._replies.clear()


def _listener(_request: WSUpgradeRequest) -> Echo:
    return Echo()


async def serve(port: int) -> None:
    """Echo until killed."""
    server = await ws_create_server(
        _listener, "127.0.0.1", port, max_frame_size=MESSAGE_BYTES_MAX, backlog=BACKLOG
    )
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(parser.parse_args().port))


if __name__ == "__main__":
    main()
