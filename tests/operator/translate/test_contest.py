"""Which earlier route stands in the way, in words that name the way out."""

from dataclasses import replace

from tests.operator.objects import STANDALONE
from wsgate_contract.route import Route
from wsgate_operator.translate.contest import contested
from wsgate_operator.translate.host_claims import HostClaims
from wsgate_operator.translate.verdict import VerdictReason


def at(namespace: str, host: str, prefix: str = "/") -> Route:
    hostnames = (host,) if host else ()
    return Route(namespace=namespace, name="r", prefix=prefix, hostnames=hostnames, upstream="ws://chat")


def claimed(*routes: Route) -> HostClaims:
    claims = HostClaims()
    for route in routes:
        claims.add(route)
    return claims


def test_another_namespaces_host_is_claimed_unless_hosts_are_shared_or_the_route_is_the_roots() -> None:
    claims = claimed(at("team-a", "a.z"))
    found = contested(at("team-b", "a.z", "/x"), claims, STANDALONE)
    assert found is not None
    assert found[0] is VerdictReason.HOST_CLAIMED
    assert 'host "a.z" overlaps what namespace "team-a" has: create the route there' in found[1]
    assert contested(at("team-b", "a.z", "/x"), claims, replace(STANDALONE, host_ownership="Shared")) is None
    assert contested(at("default", "a.z", "/x"), claims, STANDALONE) is None


def test_one_place_is_for_one_route_also_of_the_root() -> None:
    claims = claimed(at("team-a", "a.z", "/x"), at("default", "", "/any"))
    found = contested(at("default", "a.z", "/x"), claims, STANDALONE)
    assert found == (
        VerdictReason.CONFLICT,
        'team-a/r comes first (served before, older, or by name) and serves /x on host "a.z": choose another '
        "spec.prefix or spec.hostnames, or delete one of the two",
    )
    anywhere = contested(at("default", "", "/any"), claims, STANDALONE)
    assert anywhere is not None
    assert "serves /any on any host" in anywhere[1]


def test_what_the_root_serves_on_any_host_is_not_taken_by_naming_one() -> None:
    claims = claimed(at("default", "", "/chat"), at("team-a", "", "/other"))
    found = contested(at("team-b", "gw.z.test", "/chat/v1"), claims, STANDALONE)
    assert found is not None
    assert found[0] is VerdictReason.HOST_CLAIMED
    assert "default/r serves /chat/v1 on any host for everybody" in found[1]
    assert contested(at("team-b", "gw.z.test", "/"), claims, STANDALONE) is None
    assert contested(at("team-b", "gw.z.test", "/other"), claims, STANDALONE) is None


def test_a_tenant_takes_no_top_level_domain() -> None:
    found = contested(at("team-b", "*.com"), HostClaims(), STANDALONE)
    assert found is not None
    assert found[0] is VerdictReason.HOST_CLAIMED
    assert 'host "*.com" takes a whole top-level domain' in found[1]
    assert contested(at("default", "*.com"), HostClaims(), STANDALONE) is None
    assert contested(at("team-b", "*.b.com"), HostClaims(), STANDALONE) is None
