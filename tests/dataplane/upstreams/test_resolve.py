"""Names lead to what the route may reach, whatever the resolver says and however often it changes its mind."""

import asyncio
import socket
import threading
from collections.abc import Mapping, Sequence
from ipaddress import ip_address, ip_network

import pytest

from tests.support.loops import eventually, on_both_loops
from wsgate_dataplane.outcomes.refusal import Refused
from wsgate_dataplane.outcomes.table import Reason
from wsgate_dataplane.settings import Settings
from wsgate_dataplane.upstreams.lookup import LOOKUPS_MAX
from wsgate_dataplane.upstreams.resolve import ANYWHERE, Destinations, Reach, address_of

ENVIRON = {
    "WSGATE_POD_IP": "10.244.0.7,2606:4700::7",
    "WSGATE_ALLOW_CIDRS": "10.20.0.0/16, 127.0.0.0/8",
    "WSGATE_DENY_CIDRS": "10.99.0.0/16",
    "KUBERNETES_SERVICE_HOST": "10.96.0.1",
}
CLUSTER = Destinations.in_cluster(Settings.load(ENVIRON), ENVIRON)
TENANTS = Reach(CLUSTER, "team-a")
ROOTS = Reach(CLUSTER, None)
OWN = "chat.team-a.svc.cluster.local"
PUBLIC = "8.8.8.8"


class Resolver:
    """Answers in place of the C library's; names without an answer do not exist.

    A name's answer is its canonical name and the addresses; it waits for the name's gate, if there is one.
    """

    def __init__(self, answers: Mapping[str, tuple[str, Sequence[str]]]) -> None:
        self.answers = dict(answers)
        self.asked: list[str] = []
        self.gates: dict[str, threading.Event] = {}
        socket.getaddrinfo = self.getaddrinfo  # type: ignore[assignment]  # stands in for it

    def getaddrinfo(
        self, host: str, port: object, *, family: int = 0, type: int = 0, flags: int = 0
    ) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        assert (type, flags) == (socket.SOCK_STREAM, socket.AI_CANONNAME)
        self.asked.append(host)
        if host in self.gates:
            self.gates[host].wait()
        canonical, addresses = self.answers.get(host, ("", ()))
        found = [
            (kind, type, 6, "", (address, 0))
            for address in addresses
            if family in (0, kind := socket.AF_INET6 if ":" in address else socket.AF_INET)
        ]
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        # As the C library does: the first entry alone bears the name.
        return [(*found[0][:3], canonical, found[0][4]), *found[1:]]


@pytest.fixture(autouse=True)
def _the_c_librarys_returns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", socket.getaddrinfo)


async def refusal(reach: Reach, host: str) -> str:
    with pytest.raises(Refused) as caught:
        await reach.resolve(host)
    assert caught.value.reason is Reason.UPSTREAM_NOT_PERMITTED
    return caught.value.detail


@on_both_loops
async def test_a_public_name_is_looked_up_once_and_as_an_absolute_one() -> None:
    resolver = Resolver({"chat.example.com.": ("edge.example.net", [PUBLIC, "2606:4700::1111", PUBLIC])})
    assert await TENANTS.resolve("chat.example.com") == (PUBLIC, "2606:4700::1111")
    assert resolver.asked == ["chat.example.com."]


@pytest.mark.parametrize(
    "address",
    ["10.0.0.1", "192.168.1.1", "100.64.0.1", "fd00::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::",
     "127.0.0.1", "::1", "::ffff:127.0.0.1", "169.254.169.254", "fe80::1", "0.0.0.0", "10.244.0.7", "10.96.0.1",
     "2606:4700::7", "64:ff9b:1::7f00:1"],
)  # fmt: skip
@on_both_loops
async def test_a_public_name_that_leads_to_what_is_not_public_is_refused(address: str) -> None:
    Resolver({"chat.example.com.": ("chat.example.com", [address])})
    assert (await refusal(TENANTS, "chat.example.com")).startswith(f"chat.example.com: {ip_address(address)} is ")


@on_both_loops
async def test_of_mixed_answers_only_the_allowed_ones_are_dialled() -> None:
    Resolver({"chat.example.com.": ("chat.example.com", ["127.0.0.1", PUBLIC, "10.0.0.1", "10.20.0.5"])})
    assert await TENANTS.resolve("chat.example.com") == (PUBLIC, "10.20.0.5")


@on_both_loops
async def test_a_private_network_that_the_platform_allows_is_reached() -> None:
    Resolver({"db.example.com.": ("db.example.com", ["10.20.3.4"]), "here.test.": ("here.test", ["127.0.0.1"])})
    assert await TENANTS.resolve("db.example.com") == ("10.20.3.4",)
    assert "loopback" in await refusal(TENANTS, "here.test"), "never allowed in a cluster"


@pytest.mark.parametrize("host", ["chat.team-a.svc", "CHAT.team-a.svc.", "chat.team-a.svc.cluster.local"])
@on_both_loops
async def test_an_own_service_may_be_private_in_both_families(host: str) -> None:
    addresses = ["10.100.0.5", "fd00:96::5"]
    resolver = Resolver({f"{OWN}.": (OWN, addresses), f"CHAT{OWN[4:]}.": (OWN.upper(), addresses)})
    assert await TENANTS.resolve(host) == ("10.100.0.5", "fd00:96::5")
    assert len(resolver.asked) == 2


@on_both_loops
async def test_a_pod_of_an_own_headless_service_is_reached_by_its_name() -> None:
    Resolver({f"chat-0.{OWN}.": (f"chat-0.{OWN}", ["10.244.1.9"])})
    assert await TENANTS.resolve("chat-0.chat.team-a.svc") == ("10.244.1.9",)


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "169.254.169.254", "10.96.0.1", "10.244.0.7", "::ffff:10.96.0.1"]
)
@on_both_loops
async def test_an_own_service_reaches_nothing_that_no_route_may(address: str) -> None:
    Resolver({f"{OWN}.": (OWN, [address])})
    assert "the gateway never connects" in await refusal(TENANTS, "chat.team-a.svc")


@pytest.mark.parametrize(
    "host",
    ["redis.platform.svc", "redis.platform.svc.cluster.local", "chat.team-a.svc.evil.platform.svc",
     "10-0-0-1.team-a.pod.cluster.local", "svc.cluster.local", "cluster.local", "team-a.svc"],
)  # fmt: skip
@on_both_loops
async def test_another_name_of_the_cluster_is_refused_without_being_looked_up(host: str) -> None:
    resolver = Resolver({})
    assert "is no Service of namespace team-a" in await refusal(TENANTS, host)
    assert resolver.asked == []


@on_both_loops
async def test_an_own_external_name_for_another_namespaces_service_is_refused() -> None:
    other = "redis.platform.svc.cluster.local"
    Resolver({f"{OWN}.": (other, ["10.100.0.9"]), "public.example.com.": (f"{other}.", [PUBLIC])})
    told = f"{other} is no Service of namespace team-a"
    assert await refusal(TENANTS, "chat.team-a.svc") == f"chat.team-a.svc: {told}"
    assert await refusal(TENANTS, "public.example.com") == f"public.example.com: {told}"


@on_both_loops
async def test_an_own_external_name_for_a_name_outside_must_be_public() -> None:
    resolver = Resolver({f"{OWN}.": ("chat.example.com", [PUBLIC])})
    assert await TENANTS.resolve("chat.team-a.svc") == (PUBLIC,)
    for canonical in ("ten.example.com", ""):
        resolver.answers[f"{OWN}."] = (canonical, ["10.100.0.9"])
        assert "10.100.0.9 is not public" in await refusal(TENANTS, "chat.team-a.svc")


@on_both_loops
async def test_a_public_name_that_claims_to_be_an_own_service_must_still_be_public() -> None:
    Resolver({"chat.example.com.": (OWN, ["10.100.0.9"])})
    assert "10.100.0.9 is not public" in await refusal(TENANTS, "chat.example.com")


@on_both_loops
async def test_a_service_that_changes_between_the_two_families_gains_nothing() -> None:
    class Turning(Resolver):
        def getaddrinfo(
            self, host: str, port: object, *, family: int = 0, type: int = 0, flags: int = 0
        ) -> list[tuple[int, int, int, str, tuple[str, int]]]:
            found = super().getaddrinfo(host, port, family=family, type=type, flags=flags)
            self.answers[host] = ("redis.platform.svc.cluster.local", ["10.100.0.9", "fd00:96::9"])
            return found

    Turning({f"{OWN}.": (OWN, ["10.100.0.5", "fd00:96::5"])})
    assert "redis.platform.svc" in await refusal(TENANTS, "chat.team-a.svc")


@pytest.mark.parametrize("host", ["redis", "localhost", "2130706433", "0x7f000001"])
@on_both_loops
async def test_a_name_without_a_dot_that_leads_inside_is_refused(host: str) -> None:
    # By the C library: localhost and the numbers are this machine, and nobody knows redis.
    with pytest.raises((Refused, OSError)):
        await TENANTS.resolve(host)
    Resolver({host: (f"{host}.wsgate.svc.cluster.local", [PUBLIC])})
    assert "is no Service of namespace team-a" in await refusal(TENANTS, host)


@on_both_loops
async def test_a_route_of_the_platform_reaches_private_addresses_by_any_name() -> None:
    resolver = Resolver({"redis.shop": ("redis.shop.svc.cluster.local", ["10.100.0.9"])})
    assert await ROOTS.resolve("redis.shop") == ("10.100.0.9",)
    assert resolver.asked == ["redis.shop"], "a pod's search list counts"


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "169.254.169.254", "10.244.0.7", "10.96.0.1", "0.0.0.0"])
@on_both_loops
async def test_a_route_of_the_platform_reaches_nothing_that_no_route_may(address: str) -> None:
    Resolver({"chat": ("chat", [address])})
    assert "the gateway never connects" in await refusal(ROOTS, "chat")


@on_both_loops
async def test_a_name_that_nobody_knows_is_told_as_it_was_asked_for() -> None:
    Resolver({})
    with pytest.raises(OSError, match=r"chat\.team-a\.svc\.cluster\.local\.: Name or service not known"):
        await TENANTS.resolve("chat.team-a.svc")


@on_both_loops
async def test_a_literal_address_is_judged_without_being_looked_up() -> None:
    resolver = Resolver({})
    assert await ROOTS.resolve("10.1.2.3") == ("10.1.2.3",)
    assert await TENANTS.resolve("2606:4700::1111") == ("2606:4700::1111",)
    assert "10.1.2.3 is not public" in await refusal(TENANTS, "10.1.2.3")
    assert "loopback" in await refusal(ROOTS, "::1")
    assert resolver.asked == []


@on_both_loops
async def test_the_c_librarys_own_answers_are_read() -> None:
    loopback = Reach(Destinations(forbidden=(ip_network(PUBLIC),)), None)
    assert "127.0.0.1" in await loopback.resolve("localhost")
    assert await loopback.resolve("127.0.0.2") == ("127.0.0.2",)
    assert await loopback.resolve("::1") == ("::1",)
    assert "loopback" in await refusal(ROOTS, "localhost")
    assert "loopback" in await refusal(ROOTS, "127.1")


def test_only_where_nothing_is_forbidden_there_is_nothing_to_check() -> None:
    assert ANYWHERE.reach_of(None) is None
    assert ANYWHERE.reach_of("team-a") == Reach(ANYWHERE, "team-a")
    assert CLUSTER.reach_of(None) == ROOTS
    assert Destinations(own_addresses=CLUSTER.own_addresses).reach_of(None) is not None
    assert Destinations(is_loopback_allowed=False).reach_of(None) is not None


@on_both_loops
async def test_a_service_of_ones_own_whose_endpoints_lie_in_a_denied_network_is_not_reached() -> None:
    Resolver({f"{OWN}.": (f"{OWN}.", ["10.99.0.6"])})
    for reach in (TENANTS, ROOTS):
        assert "WSGATE_DENY_CIDRS" in await refusal(reach, "10.99.0.6")
    assert "WSGATE_DENY_CIDRS" in await refusal(TENANTS, OWN)


def test_a_pods_surroundings_are_read_from_its_environment() -> None:
    assert CLUSTER == Destinations(
        is_loopback_allowed=False,
        own_addresses=frozenset(map(ip_address, ("10.244.0.7", "2606:4700::7"))),
        forbidden=(ip_network("10.99.0.0/16"), ip_network("10.96.0.1")),
        allow_cidrs=(ip_network("10.20.0.0/16"), ip_network("127.0.0.0/8")),
        cluster_domain="cluster.local",
    )
    bare = Destinations.in_cluster(Settings.load({}), {"KUBERNETES_SERVICE_HOST": "api.example.com"})
    assert bare == Destinations(is_loopback_allowed=False)


@pytest.mark.parametrize("host", ["", "chat", "1.2.3", "127.1", "::g", "[::1]", "1.2.3.4."])
def test_what_is_not_written_as_an_address_is_a_name(host: str) -> None:
    assert address_of(host) is None
    assert address_of("::ffff:1.2.3.4") == ip_address("::ffff:1.2.3.4")


@on_both_loops
async def test_a_slow_name_of_a_route_that_may_lead_anywhere_holds_up_no_other_name() -> None:
    resolver = Resolver({name: ("", [PUBLIC]) for name in ("slow.test", "fast.test")})
    resolver.gates["slow.test"] = threading.Event()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(2 * LOOKUPS_MAX):
            tasks.create_task(ROOTS.resolve("slow.test"))
        await eventually(lambda: len(resolver.asked) == LOOKUPS_MAX)
        async with asyncio.timeout(5):
            assert await ROOTS.resolve("fast.test") == (PUBLIC,)
        resolver.gates["slow.test"].set()
