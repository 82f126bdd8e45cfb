"""Only what a guesser sends counts as a failure, and every outcome can be told in a Close."""

from pathlib import Path

import aiohttp
import pytest

from tests.support.loops import on_both_loops
from tests.support.world import World
from wsgate_dataplane.handshake.refusing import FAILURES
from wsgate_dataplane.outcomes.table import OUTCOMES, Reason


def test_a_wrong_setting_or_an_old_token_is_no_failure() -> None:
    for reason in (Reason.TOKEN_EXPIRED, Reason.TOKEN_AUDIENCE, Reason.TOKEN_MISSING, Reason.TOKEN_ISSUER):
        assert reason not in FAILURES


def test_every_failure_is_the_tokens() -> None:
    assert all(OUTCOMES[reason].words == "unauthorized" for reason in FAILURES)


@on_both_loops
async def test_a_fault_while_a_client_is_refused_ends_its_connection_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object, **options: object) -> bytes:
        raise ZeroDivisionError("a defect")

    world = World(tmp_path)
    world.route(upstream=await world.upstream())
    async with world.running():
        with monkeypatch.context() as patched:
            patched.setattr("wsgate_dataplane.handshake.refusing.refusal_answer", fail)
            with pytest.raises(aiohttp.ClientError):
                await world.refusal()
        assert (await world.refusal()).reason == "token-missing"
    # Twice: aiohttp asks again where it was not answered.
    assert {line["fields"]["reason"] for line in world.logs if line["error"]} == {"token-missing"}
