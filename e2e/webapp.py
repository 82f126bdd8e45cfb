"""A small web application whose users log in at an OpenID provider and get a cookie."""

import base64
import hashlib
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlencode

from aiohttp import web

from e2e.identity_providers import OIDCProvider

COOKIE = "session"


class WebApp:
    """/ is the page, /login leads to the provider and back to the page (RFC 7636)."""

    def __init__(self, origin: str, provider: OIDCProvider) -> None:
        self.origin = origin
        self.provider = provider
        self._verifiers: dict[str, str] = {}

    async def page(self, request: web.Request) -> web.Response:
        """Says whether the user is logged in."""
        state = "logged in" if COOKIE in request.cookies else "logged out"
        return web.Response(text=f"<!doctype html><title>{state}</title>", content_type="text/html")

    async def login(self, _: web.Request) -> web.Response:
        """Send the browser to the provider."""
        state, verifier = secrets.token_urlsafe(16), secrets.token_urlsafe(48)
        self._verifiers[state] = verifier
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "client_id": "page",
            "response_type": "code",
            "redirect_uri": f"{self.origin}/callback",
            "scope": "openid",
            "resource": self.provider.AUDIENCE,
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        raise web.HTTPFound(f"{self.provider.metadata()['authorization_endpoint']}?{urlencode(query)}")

    async def callback(self, request: web.Request) -> web.Response:
        """Change the code for a token, which becomes the cookie."""
        found = self.provider.grant(
            grant_type="authorization_code",
            client_id="page",
            code=request.query["code"],
            redirect_uri=f"{self.origin}/callback",
            code_verifier=self._verifiers.pop(request.query["state"]),
        )
        answer = web.HTTPFound("/")
        answer.set_cookie(COOKIE, found["access_token"], httponly=True, samesite="Strict")
        raise answer


@asynccontextmanager
async def serving(port: int, provider: OIDCProvider) -> AsyncIterator[WebApp]:
    """Serve it for as long as the block."""
    found = WebApp(f"http://127.0.0.1:{port}", provider)
    app = web.Application()
    app.add_routes(
        [web.get("/", found.page), web.get("/login", found.login), web.get("/callback", found.callback)]
    )
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield found
    finally:
        await runner.cleanup()
