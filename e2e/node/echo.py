"""Runs in a pod of the data plane's image: an echo at /, and the token issuer's keys at /certs."""

from pathlib import Path

from aiohttp import web

PORT = 8080
KEYS = Path(__file__).with_name("jwks.json")


async def echo(request: web.Request) -> web.WebSocketResponse:
    """Every message comes back."""
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        await socket.send_str(str(message.data))
    return socket


async def certs(_: web.Request) -> web.Response:
    """The JWKS document."""
    return web.Response(text=KEYS.read_text(), content_type="application/json")


def main() -> None:
    """Serve until SIGTERM."""
    app = web.Application()
    app.add_routes([web.get("/", echo), web.get("/certs", certs)])
    web.run_app(app, port=PORT, print=None)


if __name__ == "__main__":
    main()
