"""A peer to compare with: a straightforward WebSocket proxy, message by message, on aiohttp and uvloop."""

import argparse
import asyncio

import uvloop
from aiohttp import ClientSession, ClientWebSocketResponse, TCPConnector, WSMsgType, web

MESSAGE_BYTES_MAX = 16_777_216
BACKLOG = 4096
WebSocket = web.WebSocketResponse | ClientWebSocketResponse
UPSTREAM_URL = web.AppKey("upstream_url", str)
CLIENT = web.AppKey("client", ClientSession)


async def copy_messages(source: WebSocket, target: WebSocket) -> None:
    """Forward messages until source is closed, then close target with the same code."""
    async for message in source:
        if message.type is WSMsgType.BINARY:
            await target.send_bytes(message.data)
        elif message.type is WSMsgType.TEXT:
            await target.send_str(message.data)
    await target.close(code=source.close_code or 1000)


async def handle(request: web.Request) -> web.WebSocketResponse:
    """One session: dial the upstream, accept the client, copy both ways."""
    headers = {"Authorization": request.headers.get("Authorization", "")}
    url = request.app[UPSTREAM_URL]
    async with request.app[CLIENT].ws_connect(url, headers=headers, max_msg_size=MESSAGE_BYTES_MAX) as upstream:
        client = web.WebSocketResponse(compress=False, max_msg_size=MESSAGE_BYTES_MAX)
        await client.prepare(request)
        async with asyncio.TaskGroup() as copies:
            copies.create_task(copy_messages(client, upstream))
            copies.create_task(copy_messages(upstream, client))
    return client


async def serve(port: int, upstream_url: str) -> None:
    """Proxy until killed."""
    async with ClientSession(connector=TCPConnector(limit=0)) as session:
        app = web.Application()
        app[CLIENT] = session
        app[UPSTREAM_URL] = upstream_url
        app.router.add_get("/", handle)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, backlog=BACKLOG).start()
        await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--upstream-url", required=True)
    options = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(options.port, options.upstream_url))


if __name__ == "__main__":
    main()
