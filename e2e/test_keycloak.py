"""Tokens of Keycloak, as its users get them by default and as they should be."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from e2e.client import asynchronous, closed, connect, echoes, open_session, refusal
from e2e.identity_providers import Keycloak
from e2e.standalone import Standalone
from e2e.upstream import echoing

HOST = "127.0.0.1"
PATH = "/echo"


@pytest.fixture(scope="module")
def keycloak(part: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keycloak]:
    """Running; its start takes most of a minute."""
    with Keycloak(part("keycloak"), tmp_path_factory.mktemp("keycloak")) as keycloak:
        yield keycloak


@asynchronous
async def test_a_token_with_the_audience_is_admitted_and_its_roles_arrive(
    keycloak: Keycloak, standalone: Standalone
) -> None:
    async with echoing() as upstream:
        standalone.route("echo", upstream=upstream.url, auth={"providers": [keycloak.as_provider]})
        async with connect(standalone, HOST, PATH, keycloak.token()) as client:
            assert await echoes(client)
    assert upstream.requests[0].headers["X-User-Roles"] == "chat-user,driver"


@asynchronous
async def test_a_token_without_the_audience_is_refused_with_the_cure(
    keycloak: Keycloak, standalone: Standalone
) -> None:
    async with echoing() as upstream:
        standalone.route("echo", upstream=upstream.url, auth={"providers": [keycloak.as_provider]})
        refused = await refusal(standalone, HOST, PATH, keycloak.login("without-mapper")["access_token"])
    assert (refused.status, refused.reason) == (401, "token-audience")
    assert refused.problem["detail"].startswith("Add a mapper that puts the gateway's audience into aud")
    (line,) = standalone.logged("refused")
    assert "'chat-gateway'" in line["detail"]


@asynchronous
async def test_its_id_and_refresh_tokens_open_nothing(keycloak: Keycloak, standalone: Standalone) -> None:
    everything = {**keycloak.as_provider, "audiences": ["*"], "algorithms": ["RS256"]}
    async with echoing() as upstream:
        standalone.route("echo", upstream=upstream.url, auth={"providers": [everything]})
        tokens = keycloak.login("with-mapper")
        assert (await refusal(standalone, HOST, PATH, tokens["id_token"])).reason == "token-type"
        # Keycloak signs what is only for itself with a secret of its own, which no provider can name here.
        assert (await refusal(standalone, HOST, PATH, tokens["refresh_token"])).status == 401


@asynchronous
async def test_a_login_is_revoked_by_its_session_and_another_one_stays(
    keycloak: Keycloak, standalone: Standalone
) -> None:
    async with echoing() as upstream:
        standalone.route("echo", upstream=upstream.url, auth={"providers": [keycloak.as_provider]})
        stolen, own = keycloak.login("with-mapper"), keycloak.login("with-mapper")
        victim = await open_session(standalone, HOST, PATH, stolen["access_token"])
        bystander = await open_session(standalone, HOST, PATH, own["access_token"])
        standalone.revoke("stolen", sessionID=stolen["session_state"])
        ended = await closed(victim)
        assert (ended.code, ended.reason) == (1008, "token revoked")
        assert await echoes(bystander)
        assert (await refusal(standalone, HOST, PATH, stolen["access_token"])).reason == "token-revoked"
