"""What a page in a real browser can do, and what it can read when it may not."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Literal

from playwright.async_api import Browser, Page

from e2e.browser import Closed, chromium, open_page, open_socket
from e2e.client import asynchronous
from e2e.daemon import free_port
from e2e.identity_providers import OIDCProvider
from e2e.standalone import Standalone
from e2e.upstream import Upstream, echoing
from e2e.webapp import COOKIE, WebApp, serving

REVOKED = Closed(1008, "token revoked")
UNREADABLE = Closed(1006, "")
"""All that a page learns of a handshake that was refused by HTTP."""
USER = "alice"

Part = Callable[[str], Path]


@dataclass(frozen=True)
class Site:
    """Everything that a user of the application meets."""

    gateway: Standalone
    app: WebApp
    upstream: Upstream
    browser: Browser

    def route(self, name: str, on_refusal: Literal["HTTP", "Close"]) -> str:
        """Make one for the pages of the application; its URL."""
        self.gateway.route(
            name,
            upstream=self.upstream.url,
            origins=[self.app.origin],
            auth={
                "providers": [self.app.provider.as_provider],
                "tokenSources": ["Cookie", "SubProtocol"],
                "onRefusal": on_refusal,
            },
        )
        return f"{self.gateway.url}/{name}"


@asynccontextmanager
async def site(part: Part, gateway: Standalone, folder: Path) -> AsyncIterator[Site]:
    """A browser, the application, its identity provider and an upstream around the gateway."""
    port = free_port()
    async with AsyncExitStack() as stack:
        callback = f"http://127.0.0.1:{port}/callback"
        provider = stack.enter_context(OIDCProvider(part("oidc-provider"), folder, callback))
        app = await stack.enter_async_context(serving(port, provider))
        upstream = await stack.enter_async_context(echoing())
        browser = await stack.enter_async_context(chromium(part("chromium")))
        yield Site(gateway, app, upstream, browser)


async def log_in(page: Page, app: WebApp) -> None:
    """As a person does, at the provider's own pages."""
    await page.goto(f"{app.origin}/login")
    await page.fill("input[name=login]", USER)
    await page.fill("input[name=password]", "any")
    await page.click("button[type=submit]")
    # What the application may know of the user.
    await page.click("button[type=submit]")
    await page.wait_for_function("document.title === 'logged in'")


@asynchronous
async def test_a_page_talks_by_its_cookie_until_its_user_is_revoked(
    part: Part, standalone: Standalone, tmp_path: Path
) -> None:
    async with site(part, standalone, tmp_path) as found, open_page(found.browser, found.app.origin) as page:
        url = found.route("chat", "Close")
        await log_in(page, found.app)
        socket = await open_socket(page, url)
        assert await socket.opened()
        assert await socket.echoed("hello") == "hello"
        assert await socket.echoed("x" * 100_000) == "x" * 100_000
        handshake = found.upstream.requests[0].headers
        assert handshake["X-User-Roles"] == OIDCProvider.ROLES
        # Those of the provider, on the same host, pass.
        cookies = SimpleCookie(handshake["Cookie"])
        assert cookies and COOKIE not in cookies
        standalone.revoke("stolen", subject=USER)
        assert await socket.closed() == REVOKED
        again = await open_socket(page, url)
        assert await again.closed() == REVOKED
    assert len(found.upstream.requests) == 1


@asynchronous
async def test_a_page_that_holds_its_token_sends_it_as_a_subprotocol(
    part: Part, standalone: Standalone, tmp_path: Path
) -> None:
    async with site(part, standalone, tmp_path) as found, open_page(found.browser, found.app.origin) as page:
        url = found.route("chat", "HTTP")
        token = found.app.provider.token()
        socket = await open_socket(page, url, ["chat", f"bearer.{token}"])
        assert await socket.opened()
        assert await socket.subprotocol() == "chat"
        assert await socket.echoed("hello") == "hello"
        assert found.upstream.requests[0].headers["Sec-WebSocket-Protocol"] == "chat"
        # A browser fails what echoes nothing of its offer, so the gateway does not even begin.
        assert await (await open_socket(page, url, [f"bearer.{token}"])).closed() == UNREADABLE
        assert reasons(standalone) == ["subprotocol-missing"]
        standalone.revoke("stolen", subject="service")
        assert await socket.closed() == REVOKED


@asynchronous
async def test_a_page_reads_why_it_was_refused_only_where_the_route_closes(
    part: Part, standalone: Standalone, tmp_path: Path
) -> None:
    async with site(part, standalone, tmp_path) as found, open_page(found.browser, found.app.origin) as page:
        closing, by_http = found.route("closing", "Close"), found.route("http", "HTTP")
        assert await (await open_socket(page, closing)).closed() == Closed(1008, "unauthorized")
        silent = await open_socket(page, by_http)
        assert not await silent.opened()
        assert await silent.closed() == UNREADABLE
    assert reasons(standalone) == ["token-missing", "token-missing"]
    assert not found.upstream.requests


@asynchronous
async def test_a_page_of_another_origin_is_refused_with_the_users_cookie(
    part: Part, standalone: Standalone, tmp_path: Path
) -> None:
    async with site(part, standalone, tmp_path) as found, open_page(found.browser, found.app.origin) as page:
        url = found.route("chat", "Close")
        await log_in(page, found.app)
        # Another port is another origin and yet the same site: SameSite=Strict does not hold the cookie back.
        async with serving(free_port(), found.app.provider) as foreign:
            await page.goto(foreign.origin)
            assert await page.title() == "logged in"
            assert await (await open_socket(page, url)).closed() == Closed(1008, "origin not allowed")
        await page.goto(found.app.origin)
        assert await (await open_socket(page, url)).opened()
    assert reasons(standalone) == ["origin-not-listed"]


def reasons(gateway: Standalone) -> list[str]:
    """Of all refusals so far, oldest first."""
    return [line["reason"] for line in gateway.logged("refused")]
