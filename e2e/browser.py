"""Chromium, its pages, and the WebSockets that they open."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from playwright.async_api import Browser, JSHandle, Page, async_playwright

PAGE_SECONDS = 15.0
FLAGS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    # Whatever else it wants to look up is not of these tests.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)
OPEN = """([url, protocols]) => {
    const socket = new WebSocket(url, protocols);
    const closed = new Promise((done) => {
        socket.onclose = ({code, reason}) => done([code, reason]);
    });
    const opened = new Promise((done) => {
        socket.onopen = () => done(true);
        closed.then(() => done(false));
    });
    const messages = [];
    socket.onmessage = ({data}) => messages.push(data);
    return {socket, opened, closed, messages};
}"""
ECHO = """({socket, messages}, text) => new Promise((done) => {
    socket.addEventListener("message", () => done(messages.at(-1)), {once: true});
    socket.send(text);
})"""


class Closed(NamedTuple):
    """What onclose of the page was told."""

    code: int
    reason: str


class PageSocket:
    """A WebSocket of a page, as the page sees it."""

    def __init__(self, handle: JSHandle) -> None:
        self._handle = handle

    async def opened(self) -> bool:
        """Wait for onopen, or for onclose without it."""
        return bool(await self._handle.evaluate("({opened}) => opened"))

    async def subprotocol(self) -> str:
        """The one that was agreed on."""
        return str(await self._handle.evaluate("({socket}) => socket.protocol"))

    async def echoed(self, text: str) -> str:
        """Send a message; the next one that comes."""
        return str(await self._handle.evaluate(ECHO, text))

    async def closed(self) -> Closed:
        """Wait for onclose."""
        code, reason = await self._handle.evaluate("({closed}) => closed")
        return Closed(code, reason)


async def open_socket(page: Page, url: str, protocols: Sequence[str] = ()) -> PageSocket:
    """new WebSocket(url, protocols)."""
    return PageSocket(await page.evaluate_handle(OPEN, [url, list(protocols)]))


@asynccontextmanager
async def chromium(part: Path) -> AsyncIterator[Browser]:
    """The part chromium, headless, with an empty profile."""
    async with async_playwright() as playwright:
        options: dict[str, Any] = {"executable_path": (part / "chromium").resolve(), "args": FLAGS}
        browser = await playwright.chromium.launch(**options, timeout=PAGE_SECONDS * 1000)
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def open_page(browser: Browser, url: str) -> AsyncIterator[Page]:
    """A page of a profile of its own."""
    context = await browser.new_context()
    context.set_default_timeout(PAGE_SECONDS * 1000)
    try:
        page = await context.new_page()
        await page.goto(url)
        yield page
    finally:
        await context.close()
