"""Tokens and keys of identity providers that others wrote."""

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from e2e.client import asynchronous, connect, echoes, eventually, opens, refusal
from e2e.identity_providers import IdentityProvider, OIDCProvider
from e2e.standalone import Standalone
from e2e.upstream import echoing

HOST = "127.0.0.1"
PATH = "/echo"
KEYS_SECONDS = 60
"""JWKS_TTL_MINUTES=1."""
SLACK_SECONDS = 15


@pytest.fixture
def provider(part: Callable[[str], Path], tmp_path: Path) -> Iterator[OIDCProvider]:
    """oidc-provider, running."""
    with OIDCProvider(part("oidc-provider"), tmp_path) as provider:
        yield provider


def serve(gateway: Standalone, provider: IdentityProvider, upstream: str) -> None:
    """A route for the provider's tokens."""
    gateway.route("echo", upstream=upstream, auth={"providers": [provider.as_provider]})


@asynchronous
async def test_discovery_finds_the_keys_and_the_upstream_learns_the_roles(
    provider: OIDCProvider, standalone: Standalone
) -> None:
    async with echoing() as upstream:
        serve(standalone, provider, upstream.url)
        async with connect(standalone, HOST, PATH, provider.token()) as client:
            assert await echoes(client)
    assert upstream.requests[0].headers["X-User-Roles"] == provider.ROLES
    assert provider.key_fetches() == 1


@asynchronous
async def test_a_new_key_costs_one_fetch_and_ends_the_old_one(
    provider: OIDCProvider, standalone: Standalone
) -> None:
    async with echoing() as upstream:
        serve(standalone, provider, upstream.url)
        old = provider.token()
        async with connect(standalone, HOST, PATH, old) as client:
            provider.stop()
            provider.start()
            # The new key is not asked for before a token of its own comes.
            assert await opens(standalone, HOST, PATH, old)
            assert provider.key_fetches() == 1
            tokens = [provider.token() for _ in range(3)]
            assert all(await asyncio.gather(*(opens(standalone, HOST, PATH, token) for token in tokens)))
            refused = await refusal(standalone, HOST, PATH, old)
            assert (refused.status, refused.reason) == (401, "token-key-unknown")
            assert provider.key_fetches() == 2
            assert await echoes(client), "an open session does not depend on its key"


@asynchronous
async def test_without_the_provider_its_keys_serve_on_past_their_time(
    provider: OIDCProvider, tmp_path: Path
) -> None:
    # The shortest time there is.
    with Standalone(tmp_path, {"JWKS_TTL_MINUTES": "1"}) as gateway:
        async with echoing() as upstream:
            serve(gateway, provider, upstream.url)
            token = provider.token()
            assert await opens(gateway, HOST, PATH, token)
            provider.stop()
            deadline = time.monotonic() + KEYS_SECONDS + SLACK_SECONDS
            while not gateway.logged("keys not fetched"):
                assert await opens(gateway, HOST, PATH, token)
                assert time.monotonic() < deadline, "the keys were not asked for again"
                await asyncio.sleep(1)
            assert await opens(gateway, HOST, PATH, token)
            provider.start()
            new = provider.token()
            await eventually(lambda: opens(gateway, HOST, PATH, new), "the new key is known")
            assert (await refusal(gateway, HOST, PATH, token)).reason == "token-key-unknown"


@asynchronous
async def test_a_provider_that_comes_late_is_found(provider: OIDCProvider, standalone: Standalone) -> None:
    early = provider.token()
    provider.stop()
    async with echoing() as upstream:
        serve(standalone, provider, upstream.url)
        refused = await refusal(standalone, HOST, PATH, early)
        assert (refused.status, refused.reason) == (503, "keys-unavailable")
        provider.start()
        token = provider.token()
        await eventually(lambda: opens(standalone, HOST, PATH, token), "the key is known")


@asynchronous
async def test_a_token_for_another_service_is_refused(provider: OIDCProvider, standalone: Standalone) -> None:
    async with echoing() as upstream:
        serve(standalone, provider, upstream.url)
        refused = await refusal(standalone, HOST, PATH, provider.token("urn:wsgate:another"))
        assert (refused.status, refused.reason) == (401, "token-audience")
    (line,) = standalone.logged("refused")
    assert line["detail"] == "expected aud, one of ['urn:wsgate:chat'], found ['urn:wsgate:another']"
