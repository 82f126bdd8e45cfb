"""A token means the same by whichever way it comes, and its way ends at the gateway."""

import base64
import json
from pathlib import Path
from typing import NamedTuple

import websockets

from tests.support.loops import on_both_loops
from tests.support.world import World
from wsgate_contract.route import TokenSource

ORIGIN = "https://app.example.com"
CHAT = websockets.Subprotocol("chat")
SOURCES: tuple[TokenSource, ...] = ("Header", "Cookie", "Query", "SubProtocol")


class Carried(NamedTuple):
    """A request that brings a token by one source."""

    path: str = "/echo?a=1"
    headers: dict[str, str] = {}  # noqa: RUF012  # never changed
    subprotocols: tuple[str, ...] = ()


def carried(token: str, source: TokenSource) -> Carried:
    match source:
        case "Header":
            return Carried(headers={"Authorization": f"Bearer {token}"})
        case "Cookie":
            return Carried(headers={"Cookie": f"session={token}; theme=dark", "Origin": ORIGIN})
        case "Query":
            return Carried(path=f"/echo?a=1&access_token={token}&b=2")
        case _:
            return Carried(subprotocols=(f"bearer.{token}", "chat"))


async def verdict(world: World, request: Carried) -> str:
    headers = dict(request.headers)
    if request.subprotocols:
        headers["Sec-WebSocket-Protocol"] = ", ".join(request.subprotocols)
    return (await world.refusal(request.path, headers=headers)).reason


async def served(folder: Path) -> World:
    world = World(folder)
    upstream = await world.upstream(select_subprotocol=lambda _, offered: CHAT if CHAT in offered else None)
    world.route(upstream=upstream, origins=[ORIGIN], auth={"tokenSources": list(SOURCES)})
    return world


@on_both_loops
async def test_a_token_is_admitted_by_each_source_and_the_upstream_does_not_see_its_way(tmp_path: Path) -> None:
    world = await served(tmp_path)
    async with world.running():
        for source in SOURCES:
            token = world.token("alice", jti=source)
            request = carried(token, source)
            subprotocols = [websockets.Subprotocol(each) for each in request.subprotocols]
            async with world.connect(
                request.path, headers=request.headers, subprotocols=subprotocols or None
            ) as client:
                await client.send("hello")
                assert await client.recv() == "hello"
                assert client.subprotocol == (CHAT if subprotocols else None)
            asked = world.requests[-1]
            if source != "Header":
                assert token not in asked.path + json.dumps(list(asked.headers.raw_items()))
            assert asked.path.endswith("?a=1&b=2" if source == "Query" else "?a=1")
    assert [line["jti"] for line in await world.ended(len(SOURCES))] == list(SOURCES)


def broken_tokens(world: World) -> dict[str, str]:
    good = world.token()
    header, payload, signature = good.split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    return {
        "token-malformed": "a.b",
        "token-algorithm": f"{none}.{payload}.{signature}",
        "token-signature": f"{header}.{payload}.{signature[:-8]}AAAAAAAA",
        "token-expired": world.token(lifetime=-3600),
        "token-type": world.token(nonce="n"),
        "token-audience": world.token(aud="another"),
    }


@on_both_loops
async def test_a_broken_token_gets_the_same_verdict_by_each_source(tmp_path: Path) -> None:
    world = await served(tmp_path)
    async with world.running():
        for reason, token in broken_tokens(world).items():
            verdicts = {source: await verdict(world, carried(token, source)) for source in SOURCES}
            assert verdicts == dict.fromkeys(SOURCES, reason)
        assert "a.b" not in json.dumps(world.logged("refused"))


@on_both_loops
async def test_tokens_by_two_explicit_sources_are_refused(tmp_path: Path) -> None:
    world = await served(tmp_path)
    async with world.running():
        token = world.token()
        header, query, subprotocol = (carried(token, each) for each in ("Header", "Query", "SubProtocol"))
        for one, other in ((header, query), (query, subprotocol), (subprotocol, header)):
            path = max(one.path, other.path, key=len)
            both = Carried(path, one.headers | other.headers, one.subprotocols or other.subprotocols)
            assert await verdict(world, both) == "credentials-ambiguous"


@on_both_loops
async def test_a_token_in_the_query_is_passed_on_where_the_query_is_no_source(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.route(upstream=await world.upstream())
    async with world.running(), world.connect("/echo?token=the-upstreams", token=world.token()):
        assert world.requests[-1].path == "/?token=the-upstreams"


@on_both_loops
async def test_a_lone_subprotocol_with_a_token_is_refused_with_the_way_out(tmp_path: Path) -> None:
    world = await served(tmp_path)
    async with world.running():
        refusal = await world.refusal(headers={"Sec-WebSocket-Protocol": f"bearer.{world.token()}"})
        assert (refusal.status, refusal.reason) == (400, "subprotocol-missing")
        assert "second, real subprotocol" in json.dumps(refusal.problem)


@on_both_loops
async def test_the_cookie_has_the_name_that_the_environment_gives_it(tmp_path: Path) -> None:
    world = World(tmp_path, JWT_COOKIE_NAME="gw_token", WS_ALLOWED_ORIGINS=ORIGIN)
    world.route(upstream=await world.upstream())
    async with world.running():
        request = Carried("/echo", {"Cookie": f"session={world.token()}", "Origin": ORIGIN})
        assert await verdict(world, request) == "token-missing"
        async with world.connect("/echo", None, {"Cookie": f"gw_token={world.token()}", "Origin": ORIGIN}):
            pass
