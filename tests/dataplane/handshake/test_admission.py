"""The order of the checks, as `wsgate check` prints them."""

import time
from typing import Any

from tests.support.loops import on_both_loops
from tests.support.world import development_key
from wsgate_cli.devkey import provider
from wsgate_contract.revocation import RevocationRecord
from wsgate_contract.route import Route
from wsgate_dataplane.handshake.admission import Admission
from wsgate_dataplane.handshake.request import Request
from wsgate_dataplane.handshake.serving import Catalogue, build_catalogue
from wsgate_dataplane.identity.provider import Providers
from wsgate_dataplane.outcomes.refusal import Refused
from wsgate_dataplane.revocation.view import RevocationView
from wsgate_dataplane.settings import Settings
from wsgate_dataplane.snapshot.files import RoutesFile


class Question:
    """Asks one admission and keeps what it traced."""

    def __init__(self, **auth: Any) -> None:
        document = {
            "namespace": "default",
            "name": "echo",
            "prefix": "/echo",
            "upstream": "ws://localhost/",
            "auth": {"providers": [provider(development_key())], **auth},
        }
        self.settings = Settings.load({})
        file = RoutesFile(1, "", (Route.from_document(document),), ())
        self.catalogue = build_catalogue(file, Catalogue(), self.settings)
        self.view = RevocationView()
        self.view.confirm("file", time.time())
        self.steps: list[str] = []

    async def ask(self, token: str | None = None, path: str = "/echo", **headers: str) -> str:
        sent = [("Host", "localhost"), *headers.items()]
        if token is not None:
            sent.append(("Authorization", f"Bearer {token}"))
        request = Request("GET", path, "", tuple(sent), "127.0.0.1", "id")
        providers = Providers(ttl_seconds=60)
        admission = Admission(self.settings, providers, self.view)
        self.steps.clear()
        try:
            serving = admission.find_route(self.catalogue, request, self._keep)
            credential = admission.find_credential(serving, request, time.time(), self._keep)
            await admission.admit(serving, credential, time.time(), self._keep)
        except Refused as refused:
            return str(refused.reason)
        finally:
            await providers.close()
        return "admitted"

    def _keep(self, step: str, found: str) -> None:
        self.steps.append(step)


def good_token(**claims: Any) -> str:
    return development_key().token({"sub": "alice", **claims}, int(time.time()), 60)


@on_both_loops
async def test_an_admitted_token_passes_every_step_in_order() -> None:
    question = Question(claims=[{"claim": "roles", "anyOf": ["driver"]}])
    assert await question.ask(good_token(roles=["driver"])) == "admitted"
    assert question.steps == [
        "path",
        "route",
        "revocations",
        "origin",
        "token source",
        "token form",
        "signature",
        "claims",
        "required claims",
        "not revoked",
    ]


@on_both_loops
async def test_the_first_check_that_fails_names_the_reason() -> None:
    question = Question(claims=[{"claim": "roles", "anyOf": ["driver"]}])
    assert await question.ask(good_token(), path="/echo/..") == "path-unsafe"
    assert await question.ask(good_token(), path="/other") == "route-not-found"
    assert await question.ask() == "token-missing"
    assert await question.ask("a.b.c") == "token-malformed"
    assert await question.ask(good_token(aud="other")) == "token-audience"
    assert await question.ask(good_token()) == "token-claim-missing"
    assert question.steps[-1] == "claims"


@on_both_loops
async def test_a_stale_view_admits_nobody_unless_the_route_keeps() -> None:
    question = Question()
    question.view.confirm("file", time.time() - 61)
    assert await question.ask(good_token()) == "revocation-stale"
    question.view.confirm("file", None)
    assert await question.ask(good_token()) == "revocation-stale"


@on_both_loops
async def test_an_anonymous_route_asks_for_no_token() -> None:
    question = Question(mode="Anonymous", providers=[])
    assert await question.ask() == "admitted"
    assert question.steps[-1] == "token"


@on_both_loops
async def test_a_revoked_token_is_refused_after_all_other_checks() -> None:
    question = Question()
    question.view.replace([RevocationRecord(id="default/x", subject="alice")])
    assert await question.ask(good_token()) == "token-revoked"
    assert question.steps[-1] == "claims"
