"""A JWKS server over real HTTP whose faults a test switches, and which counts what it is asked."""

import asyncio
import json
from collections.abc import Mapping
from enum import Enum, auto
from typing import Any, Self

from aiohttp import web

HUGE_BYTES = 256 * 1024


class Fault(Enum):
    """What the server does wrong."""

    SLOW = auto()
    """It answers once `release` is set."""
    STATUS_500 = auto()
    HUGE = auto()
    REDIRECT = auto()
    NOT_JSON = auto()
    NOT_UTF8 = auto()
    NO_KEYS_MEMBER = auto()
    DEEP = auto()
    CUT = auto()
    """The connection breaks within the body."""


class JWKSServer:
    """`async with JWKSServer(document) as server`; set document and fault at any time."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        self.discovery: Mapping[str, Any] | None = None
        """Answer of /.well-known/openid-configuration; jwks_uri and issuer are filled in where missing."""
        self.fault: Fault | None = None
        self.requests = 0
        """Requests for the key set."""
        self.elsewhere = 0
        """Requests for where the redirect leads."""
        self.release = asyncio.Event()
        self.base = ""

    @property
    def url(self) -> str:
        """Of the key set."""
        return f"{self.base}/certs"

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/certs", self._certs)
        app.router.add_get("/elsewhere", self._elsewhere)
        app.router.add_get("/.well-known/openid-configuration", self._discover)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.base = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.release.set()
        await self._runner.cleanup()

    async def _certs(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        match self.fault:
            case Fault.SLOW:
                await self.release.wait()
            case Fault.STATUS_500:
                return web.json_response(dict(self.document), status=500)
            case Fault.HUGE:
                return web.json_response({**self.document, "filler": "x" * HUGE_BYTES})
            case Fault.REDIRECT:
                raise web.HTTPFound("/elsewhere")
            case Fault.NOT_JSON:
                return web.Response(text="<html>login</html>", content_type="text/html")
            case Fault.NOT_UTF8:
                return web.Response(body=b'{"keys":[]\xff}')
            case Fault.NO_KEYS_MEMBER:
                return web.json_response({"error": "no such realm"})
            case Fault.DEEP:
                return web.Response(text='{"keys":' + "[" * 100_000 + "]" * 100_000 + "}")
            case Fault.CUT:
                response = web.StreamResponse(headers={"Content-Length": "1000"})
                await response.prepare(request)
                await response.write(b'{"keys":')
                assert request.transport is not None
                request.transport.abort()
                return response
        return web.Response(text=json.dumps(self.document), content_type="application/json")

    async def _elsewhere(self, request: web.Request) -> web.Response:
        self.elsewhere += 1
        return web.json_response(dict(self.document))

    async def _discover(self, request: web.Request) -> web.Response:
        return web.json_response({"issuer": self.base, "jwks_uri": self.url, **(self.discovery or {})})
