"""Keys over real HTTP: one fetch for all, outages survived, nothing a token says steers the fetching."""

import asyncio
import json
from collections.abc import Coroutine, Mapping, Sequence

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver

from tests.support.jwks import Fault, JWKSServer
from tests.support.loops import eventually, on_both_loops, turns
from tests.support.tokens import Issuer, immediate
from wsgate_dataplane.identity.jwks import (
    FAILURE_COOLDOWN_SECONDS,
    STALE_SECONDS_MAX,
    UNKNOWN_KID_COOLDOWN_SECONDS,
    FetchedKeys,
    InlineKeys,
    Location,
    SessionFactory,
    make_session,
)
from wsgate_dataplane.outcomes.refusal import Refused
from wsgate_dataplane.outcomes.table import Reason

TTL = 600.0
OLD, NEW = Issuer(kid="old"), Issuer(kid="new")


class Clock:
    """Monotonic seconds that only the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def hasty_session(resolver: AbstractResolver | None) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=0.05))


def keys_of(server: JWKSServer, clock: Clock, factory: SessionFactory = make_session) -> FetchedKeys:
    return FetchedKeys(Location(server.url), TTL, clock, factory)


async def kid_or_reason(keys: FetchedKeys, kid: str | None) -> str | Reason | None:
    try:
        return (await keys.get(kid, "RS256")).kid
    except Refused as refused:
        return refused.reason


def started(coroutine: Coroutine[None, None, str | Reason | None]) -> asyncio.Task[str | Reason | None]:
    return asyncio.get_running_loop().create_task(coroutine)


@on_both_loops
async def test_keys_are_fetched_once_and_kept_for_their_time() -> None:
    async with JWKSServer(OLD.jwks()) as server:
        clock = Clock()
        keys = keys_of(server, clock)
        assert [await kid_or_reason(keys, "old") for _ in range(3)] == ["old"] * 3
        assert await kid_or_reason(keys, None) == "old"
        assert server.requests == 1
        clock.now += TTL
        assert await kid_or_reason(keys, "old") == "old"
        assert server.requests == 2


@on_both_loops
async def test_all_who_wait_share_one_fetch() -> None:
    async with JWKSServer(OLD.jwks()) as server:
        server.fault = Fault.SLOW
        keys = keys_of(server, Clock())
        waiting = [started(kid_or_reason(keys, "old")) for _ in range(50)]
        await eventually(lambda: server.requests)
        server.release.set()
        assert await asyncio.gather(*waiting) == ["old"] * 50
        assert server.requests == 1


@on_both_loops
async def test_defect_17_a_slow_fetch_delays_nobody_whose_key_is_at_hand() -> None:
    # The original fetched under a lock that every handshake took.
    async with JWKSServer(OLD.jwks()) as server:
        clock = Clock()
        keys = keys_of(server, clock)
        await keys.get("old", "RS256")
        clock.now += TTL
        server.fault = Fault.SLOW
        first = started(kid_or_reason(keys, "old"))
        await eventually(lambda: server.requests == 2)
        assert immediate(keys.get("old", "RS256")).kid == "old"
        server.release.set()
        assert await first == "old"


@on_both_loops
async def test_defect_17_an_unknown_kid_makes_rotated_keys_known_at_once() -> None:
    # The original never fetched again before the time was over.
    async with JWKSServer(OLD.jwks()) as server:
        keys = keys_of(server, Clock())
        await keys.get("old", "RS256")
        server.document = NEW.jwks(OLD.jwk())
        assert await kid_or_reason(keys, "new") == "new"
        assert await kid_or_reason(keys, "old") == "old"
        assert server.requests == 2


@on_both_loops
async def test_invented_kids_cause_one_fetch_per_cooldown() -> None:
    async with JWKSServer(OLD.jwks()) as server:
        clock = Clock()
        keys = keys_of(server, clock)
        await keys.get("old", "RS256")
        for number in range(20):
            assert await kid_or_reason(keys, f"invented-{number}") is Reason.TOKEN_KEY_UNKNOWN
        assert server.requests == 2
        clock.now += UNKNOWN_KID_COOLDOWN_SECONDS
        many = [kid_or_reason(keys, f"invented-{number}") for number in range(20)]
        assert set(await asyncio.gather(*many)) == {Reason.TOKEN_KEY_UNKNOWN}
        assert server.requests == 3


@on_both_loops
async def test_an_unknown_kid_of_the_first_token_is_not_asked_for_twice() -> None:
    async with JWKSServer(OLD.jwks()) as server:
        keys = keys_of(server, Clock())
        assert await kid_or_reason(keys, "new") is Reason.TOKEN_KEY_UNKNOWN
        assert server.requests == 1


FAULTS = [fault for fault in Fault if fault is not Fault.SLOW]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
@on_both_loops
async def test_without_keys_a_faulty_server_means_keys_unavailable_until_the_next_try(fault: Fault) -> None:
    async with JWKSServer(OLD.jwks()) as server:
        clock = Clock()
        keys, server.fault = keys_of(server, clock), fault
        for _ in range(5):
            assert await kid_or_reason(keys, "old") is Reason.KEYS_UNAVAILABLE
        assert (server.requests, server.elsewhere) == (1, 0)
        server.fault = None
        clock.now += FAILURE_COOLDOWN_SECONDS
        assert await kid_or_reason(keys, "old") == "old"


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
@on_both_loops
async def test_known_keys_outlive_a_faulty_server_by_an_hour_and_no_longer(fault: Fault) -> None:
    async with JWKSServer(OLD.jwks()) as server:
        clock = Clock()
        keys = keys_of(server, clock)
        await keys.get("old", "RS256")
        server.fault = fault
        clock.now += TTL + STALE_SECONDS_MAX - 1
        for _ in range(5):
            assert await kid_or_reason(keys, "old") == "old"
        assert await kid_or_reason(keys, "new") is Reason.TOKEN_KEY_UNKNOWN
        assert server.requests == 2
        clock.now += 1
        assert await kid_or_reason(keys, "old") is Reason.KEYS_UNAVAILABLE


@on_both_loops
async def test_a_server_that_does_not_answer_in_time_is_a_failed_fetch() -> None:
    async with JWKSServer(OLD.jwks()) as server:
        server.fault = Fault.SLOW
        assert await kid_or_reason(keys_of(server, Clock(), hasty_session), "old") is Reason.KEYS_UNAVAILABLE


@on_both_loops
async def test_a_server_that_is_not_there_is_a_failed_fetch() -> None:
    async with JWKSServer(OLD.jwks()) as server:
        pass
    assert await kid_or_reason(keys_of(server, Clock()), "old") is Reason.KEYS_UNAVAILABLE


@pytest.mark.parametrize(
    "uri", ["http://", "http://[::1", "https://127.0.0.1:1/", "http://a\ud800.test/", "ftp://x/"]
)
@on_both_loops
async def test_a_url_that_cannot_be_used_is_a_failed_fetch(uri: str) -> None:
    for bundle in (None, "not PEM", "é"):
        keys = FetchedKeys(Location(uri, ca_bundle=bundle), TTL, Clock())
        assert await kid_or_reason(keys, "old") is Reason.KEYS_UNAVAILABLE


@on_both_loops
async def test_an_odd_key_does_not_take_the_others_down() -> None:
    async with JWKSServer(OLD.jwks({"kty": "oct", "k": "AA"}, {"kty": "RSA"}, 7, NEW.jwk(n="!"))) as server:
        keys = keys_of(server, Clock())
        assert await kid_or_reason(keys, "old") == "old"
        with pytest.raises(Refused, match="1 left out: symmetric key"):
            await keys.get("new", "RS256")


@on_both_loops
async def test_a_key_that_the_server_withdrew_is_gone_after_the_next_fetch() -> None:
    async with JWKSServer(OLD.jwks()) as server:
        clock = Clock()
        keys = keys_of(server, clock)
        await keys.get("old", "RS256")
        server.document = {"keys": []}
        clock.now += TTL
        assert await kid_or_reason(keys, "old") is Reason.TOKEN_KEY_UNKNOWN


@pytest.mark.parametrize("kid", ["old", "new"], ids=["without keys", "for an unknown kid"])
@on_both_loops
async def test_when_the_client_that_fetches_hangs_up_the_next_in_line_takes_over(kid: str) -> None:
    async with JWKSServer(OLD.jwks()) as server:
        keys = keys_of(server, Clock())
        if kid == "new":
            await keys.get("old", "RS256")
            server.document = NEW.jwks()
        before, server.fault = server.requests, Fault.SLOW
        waiting = [started(kid_or_reason(keys, kid)) for _ in range(5)]
        await eventually(lambda: server.requests == before + 1)
        waiting[0].cancel()
        await eventually(lambda: server.requests == before + 2)
        server.release.set()
        assert await asyncio.gather(*waiting[1:]) == [kid] * 4
        assert waiting[0].cancelled() and server.requests == before + 2


@on_both_loops
async def test_a_waiting_client_that_hangs_up_takes_nothing_from_the_others() -> None:
    async with JWKSServer(OLD.jwks()) as server:
        server.fault = Fault.SLOW
        keys = keys_of(server, Clock())
        first, second, third = (started(kid_or_reason(keys, "old")) for _ in range(3))
        await eventually(lambda: server.requests)
        second.cancel()
        await turns()
        server.release.set()
        assert (await first, await third) == ("old", "old") and second.cancelled()
        assert server.requests == 1


@on_both_loops
async def test_an_unforeseen_error_reaches_its_caller_and_has_its_cooldown() -> None:
    def broken(resolver: AbstractResolver | None) -> aiohttp.ClientSession:
        raise RuntimeError("unforeseen")

    clock = Clock()
    keys = FetchedKeys(Location("http://127.0.0.1:1"), TTL, clock, broken)
    with pytest.raises(RuntimeError):
        await keys.get("old", "RS256")
    assert await kid_or_reason(keys, "old") is Reason.KEYS_UNAVAILABLE
    clock.now += FAILURE_COOLDOWN_SECONDS
    with pytest.raises(RuntimeError):
        await keys.get("old", "RS256")


@on_both_loops
async def test_the_proxy_environment_and_cookies_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    async with JWKSServer(OLD.jwks()) as server:
        assert await kid_or_reason(keys_of(server, Clock()), "old") == "old"


@on_both_loops
async def test_discovery_leads_to_the_keys_of_an_issuer_that_names_itself() -> None:
    async with JWKSServer(OLD.jwks()) as server:
        keys = FetchedKeys(Location(None, server.base), TTL, Clock())
        assert await kid_or_reason(keys, "old") == "old"


@pytest.mark.parametrize(
    "discovery",
    [{"issuer": "https://other"}, {"issuer": None}, {"jwks_uri": None}, {"jwks_uri": "file:///etc/passwd"}],
    ids=str,
)
@on_both_loops
async def test_a_discovery_document_of_another_issuer_or_without_keys_is_refused(
    discovery: dict[str, str],
) -> None:
    async with JWKSServer(OLD.jwks()) as server:
        server.discovery = discovery
        keys = FetchedKeys(Location(None, server.base), TTL, Clock())
        assert await kid_or_reason(keys, "old") is Reason.KEYS_UNAVAILABLE
        assert server.requests == 0


class Permitted:
    """A reach in which every host leads to the addresses it is given, all others nowhere."""

    def __init__(self, hosts: Mapping[str, Sequence[str]]) -> None:
        self._hosts = hosts
        self.asked: list[str] = []

    async def resolve(self, host: str) -> Sequence[str]:
        self.asked.append(host)
        if host not in self._hosts:
            raise Refused(Reason.UPSTREAM_NOT_PERMITTED, f"{host} is not permitted")
        return self._hosts[host]


@on_both_loops
async def test_keys_are_fetched_from_the_address_that_was_checked() -> None:
    async with JWKSServer(OLD.jwks()) as server:
        # Nothing listens at the first one.
        reach = Permitted({"keys.team-a.svc": ["127.0.0.2", "127.0.0.1"]})
        place = Location(server.url.replace("127.0.0.1", "keys.team-a.svc"), reach=reach)
        assert await kid_or_reason(FetchedKeys(place, TTL, Clock()), "old") == "old"
        assert reach.asked == ["keys.team-a.svc"]


@pytest.mark.parametrize(
    ("host", "asked"),
    [("127.0.0.1", "127.0.0.1"), ("keys.test", "keys.test"), ("[::1]", "::1"),
     ("[::ffff:7f00:1]", "::ffff:7f00:1"), ("[fe80::1%25lo]", "fe80::1%25lo"),
     ("\u2460\u2461\u2466.0.0.1", "127.0.0.1")],
)  # fmt: skip
@on_both_loops
async def test_keys_are_not_fetched_from_where_the_reach_does_not_lead(host: str, asked: str) -> None:
    async with JWKSServer(OLD.jwks()) as server:
        reach = Permitted({})
        keys = FetchedKeys(Location(server.url.replace("127.0.0.1", host), reach=reach), TTL, Clock())
        with pytest.raises(Refused, match="is not permitted") as refused:
            await keys.get("old", "RS256")
        assert refused.value.reason is Reason.KEYS_UNAVAILABLE
        assert reach.asked == [asked]
        assert server.requests == 0


@pytest.mark.parametrize("host", ["2130706433", "127.1", "0177.0.0.1", "0x7f.0.0.1", "017700000001"])
@on_both_loops
async def test_an_address_in_an_odd_spelling_is_checked_or_not_connected_to(host: str) -> None:
    async with JWKSServer(OLD.jwks()) as server:
        reach = Permitted({})
        keys = FetchedKeys(Location(server.url.replace("127.0.0.1", host), reach=reach), TTL, Clock())
        assert await kid_or_reason(keys, "old") is Reason.KEYS_UNAVAILABLE
        assert reach.asked == [host]


@pytest.mark.parametrize("host", ["127.0.0.1", "elsewhere.test", "[::1]"])
@on_both_loops
async def test_discovery_cannot_lead_out_of_the_reach(host: str) -> None:
    async with JWKSServer(OLD.jwks()) as server:
        issuer = server.base.replace("127.0.0.1", "id.test")
        reach = Permitted({"id.test": ["127.0.0.1"]})
        server.discovery = {"issuer": issuer, "jwks_uri": server.url.replace("127.0.0.1", host)}
        keys = FetchedKeys(Location(None, issuer, reach=reach), TTL, Clock())
        with pytest.raises(Refused, match="is not permitted"):
            await keys.get("old", "RS256")
        assert reach.asked == ["id.test", host.strip("[]")]
        assert server.requests == 0


@on_both_loops
async def test_discovery_within_the_reach_leads_to_the_keys() -> None:
    async with JWKSServer(OLD.jwks()) as server:
        issuer = server.base.replace("127.0.0.1", "id.test")
        reach = Permitted({"id.test": ["127.0.0.1"], "keys.test": ["127.0.0.1"]})
        server.discovery = {"issuer": issuer, "jwks_uri": server.url.replace("127.0.0.1", "keys.test")}
        assert await kid_or_reason(FetchedKeys(Location(None, issuer, reach=reach), TTL, Clock()), "old") == "old"


@on_both_loops
async def test_a_name_that_the_reach_cannot_look_up_is_a_failed_fetch() -> None:
    class Broken:
        async def resolve(self, host: str) -> Sequence[str]:
            raise OSError(-2, f"{host}.: Name or service not known")

    keys = FetchedKeys(Location("http://keys.test/", reach=Broken()), TTL, Clock())
    with pytest.raises(Refused, match=r"keys\.test\.: Name or service not known") as refused:
        await keys.get("old", "RS256")
    assert refused.value.reason is Reason.KEYS_UNAVAILABLE


def test_inline_keys_answer_without_waiting() -> None:
    keys = InlineKeys(json.dumps(OLD.jwks()))
    assert immediate(keys.get("old", "RS256")).kid == "old"
    with pytest.raises(Refused) as refused:
        immediate(keys.get("new", "RS256"))
    assert refused.value.reason is Reason.TOKEN_KEY_UNKNOWN


@pytest.mark.parametrize("text", ["", "{}", "\ud800", "not json"])
def test_inline_text_that_is_no_set_means_keys_unavailable(text: str) -> None:
    with pytest.raises(Refused, match="inline") as refused:
        immediate(InlineKeys(text).get("old", "RS256"))
    assert refused.value.reason is Reason.KEYS_UNAVAILABLE
