"""Dialling where addresses are checked: the one that was judged is the one that is dialled."""

import asyncio
import socket
import ssl
import threading
from ipaddress import ip_network
from pathlib import Path
from typing import Self

import pytest

from tests.dataplane.upstreams.upstream import ASKED, EARLY, OFFER, SHORT, rest_of, saying, serving
from tests.support.certificates import server_context, trusting_context
from tests.support.loops import eventually, on_both_loops
from tests.support.sockets import HEAD
from wsgate_dataplane.outcomes.refusal import Refused
from wsgate_dataplane.outcomes.table import Reason
from wsgate_dataplane.upstreams.dial import Target, Upgraded, dial
from wsgate_dataplane.upstreams.lookup import LOOKUPS_MAX
from wsgate_dataplane.upstreams.resolve import ANYWHERE, Destinations, Reach

HERE = Reach(Destinations(forbidden=(ip_network("192.0.2.3"),)), None)
"""Checks every address; 192.0.2.3 is forbidden."""
TENANTS = Reach(ANYWHERE, "team-a")


class Names:
    """Answers in place of the C library's resolver; the last addresses of a name are repeated."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []
        socket.getaddrinfo = self.getaddrinfo  # type: ignore[assignment]  # stands in for it

    def getaddrinfo(self, host: str, *_: object, **__: object) -> list[tuple[int, int, int, str, object]]:
        self.asked.append(host)
        found = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, host, (address, 0)) for address in found]


class Stuck(Names):
    """Looks up names that begin with fast, the others not before its end."""

    def __init__(self, *answer: str) -> None:
        super().__init__(list(answer))
        self._end = threading.Event()
        self.stuck = 0

    def getaddrinfo(self, host: str, *_: object, **__: object) -> list[tuple[int, int, int, str, object]]:
        if not host.startswith("fast"):
            self.stuck += 1
            self._end.wait()
        return super().getaddrinfo(host)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()


@pytest.fixture(autouse=True)
def _the_c_librarys_returns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", socket.getaddrinfo)


async def dial_within(reach: Reach, url: str, tls: ssl.SSLContext | None = None, connect: float = 5) -> Upgraded:
    return await dial(Target.from_url(url, tls, reach=reach), ASKED, OFFER, connect, 5)


@on_both_loops
async def test_the_address_that_was_checked_is_dialled_whatever_the_name_leads_to_a_moment_later() -> None:
    async with serving(saying(HEAD)) as upstream:
        names = Names(["127.0.0.1"], ["192.0.2.3"])
        (await dial_within(HERE, upstream.url("chat.test"))).transport.abort()
        assert names.asked == ["chat.test"]
        with pytest.raises(Refused) as caught:
            await dial_within(HERE, upstream.url("chat.test"))
        assert caught.value.reason is Reason.UPSTREAM_NOT_PERMITTED
        assert upstream.connected == 1


@on_both_loops
async def test_every_allowed_address_is_tried_in_order() -> None:
    async with serving(saying(HEAD)) as upstream:
        # Nothing listens at the second; the first is left out.
        Names(["192.0.2.3", "127.0.0.2", "127.0.0.1"])
        (await dial_within(HERE, upstream.url("chat.test"))).transport.abort()
        Names(["192.0.2.3", "127.0.0.2"])
        with pytest.raises(Refused) as caught:
            await dial_within(HERE, upstream.url("chat.test"))
        assert caught.value.reason is Reason.UPSTREAM_UNREACHABLE


@on_both_loops
async def test_a_checked_upstream_is_verified_by_its_name(tmp_path: Path) -> None:
    async with serving(saying(HEAD), server_context(tmp_path, "chat.test")) as upstream:
        Names(["127.0.0.2", "127.0.0.1"])
        (await dial_within(HERE, upstream.url("chat.test", "wss"), trusting_context())).transport.abort()
        with pytest.raises(Refused, match="certificate verify failed"):
            await dial_within(HERE, upstream.url("other.test", "wss"), trusting_context())


@on_both_loops
async def test_an_address_that_breaks_during_tls_is_no_end_while_there_is_another(tmp_path: Path) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async with serving(saying(HEAD + EARLY), server_context(tmp_path, "chat.test")) as upstream:
        async with await asyncio.start_server(hang_up, "127.0.0.2", upstream.port):
            Names(["127.0.0.2", "127.0.0.1"])
            upgraded = await dial_within(HERE, upstream.url("chat.test", "wss"), trusting_context())
            assert await rest_of(upgraded, len(EARLY)) == EARLY


@on_both_loops
async def test_a_lookup_counts_as_part_of_the_connect() -> None:
    with Stuck(), pytest.raises(Refused) as caught:
        await dial_within(HERE, "ws://chat.test", connect=SHORT)
    assert caught.value.reason is Reason.UPSTREAM_TIMEOUT


@on_both_loops
async def test_stuck_lookups_of_one_namespace_do_not_hold_up_anothers_dial() -> None:
    places = Destinations(forbidden=HERE.destinations.forbidden)
    async with serving(saying(HEAD)) as upstream, asyncio.TaskGroup() as tasks:
        with Stuck("127.0.0.1") as resolver:
            evil, bank = Reach(places, "evil"), Reach(places, "bank")
            dials = [tasks.create_task(dial_within(evil, f"ws://slow{i}.test")) for i in range(200)]
            await eventually(lambda: resolver.stuck == LOOKUPS_MAX)
            # Loopback is refused for a tenant: what matters is that its name was looked up.
            with pytest.raises(Refused, match=r"127\.0\.0\.1 is not public"):
                await dial_within(bank, upstream.url("fast.test"))
            for each in dials:
                each.cancel()
            await asyncio.wait(dials)
            with pytest.raises(Refused, match=r"127\.0\.0\.1 is not public"):
                await dial_within(bank, upstream.url("fast.test"))
        assert resolver.stuck == LOOKUPS_MAX


@pytest.mark.parametrize("host", ["nobody.invalid", "a..b"])
@on_both_loops
async def test_a_checked_name_that_leads_nowhere_is_unreachable(host: str) -> None:
    with pytest.raises(Refused) as caught:
        await dial_within(TENANTS, f"ws://{host}")
    assert caught.value.reason is Reason.UPSTREAM_UNREACHABLE


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "localhost", "2130706433"])
@on_both_loops
async def test_a_tenants_upstream_at_loopback_is_never_dialled(host: str) -> None:
    async with serving(saying(HEAD)) as upstream:
        with pytest.raises(Refused) as caught:
            await dial_within(TENANTS, upstream.url(host))
        assert caught.value.reason is Reason.UPSTREAM_NOT_PERMITTED
        assert upstream.connected == 0


def test_an_address_is_judged_once_and_a_name_at_each_dial() -> None:
    good, bad, name = (Target.from_url(f"ws://{host}", reach=HERE) for host in ("10.0.0.1", "192.0.2.3", "a.test"))
    assert (good.reach, good.refusal) == (None, None)
    assert bad.reach is HERE
    assert "192.0.2.3 is an address of the cluster's control plane" in (bad.refusal or "")
    assert (name.reach, name.refusal) == (HERE, None)
