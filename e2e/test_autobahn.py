"""Autobahn's conformance suite: the gateway adds nothing to what a server does, and takes nothing away."""

import time
from collections.abc import Callable
from pathlib import Path

from e2e.autobahn import CASES_MIN, verdicts
from e2e.client import asynchronous
from e2e.standalone import Standalone
from e2e.upstream import echoing
from wsgate_cli.devkey import DevelopmentKey, provider

TOKEN_SECONDS = 3600


@asynchronous
async def test_every_case_has_the_verdict_of_a_run_against_the_server_itself(
    part: Callable[[str], Path], standalone: Standalone, tmp_path: Path
) -> None:
    suite, key = part("autobahn"), DevelopmentKey.create()
    token = key.token({"sub": "autobahn"}, int(time.time()), TOKEN_SECONDS)
    # The suite can put a token only into the URL.
    auth = {"providers": [provider(key)], "tokenSources": ["Query"]}
    async with echoing() as upstream:
        standalone.route("echo", upstream=upstream.url, auth=auth)
        direct = await verdicts(suite, upstream.url, tmp_path / "direct")
        assert len(upstream.requests) == len(direct) >= CASES_MIN
        through = await verdicts(suite, f"{standalone.url}/echo?token={token}", tmp_path / "through")
        assert len(upstream.requests) == 2 * len(direct)
    changed = {case: (direct[case], through.get(case)) for case in direct if direct[case] != through.get(case)}
    assert not changed
