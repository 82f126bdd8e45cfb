"""Hosts belong to namespaces, and host with prefix to one route."""

import pytest

from wsgate_contract.route import Route
from wsgate_operator.translate.host_claims import HostClaims


def at(namespace: str, host: str, prefix: str = "/") -> Route:
    hostnames = (host,) if host else ()
    return Route(namespace=namespace, name="r", prefix=prefix, hostnames=hostnames, upstream="ws://chat")


@pytest.mark.parametrize(
    ("held", "wanted"),
    [
        (("a.z", "/"), ("a.z", "/x")),
        (("*.z", "/"), ("a.z", "/x")),
        (("*.z", "/"), ("b.a.z", "/x")),
        (("a.z", "/"), ("*.z", "/x")),
        (("b.a.z", "/"), ("*.z", "/x")),
        (("*.a.z", "/"), ("*.z", "/x")),
        (("*.z", "/"), ("*.a.z", "/x")),
        (("", "/"), ("", "/x")),
    ],
)
def test_an_overlapping_host_of_another_namespace_is_claimed(
    held: tuple[str, str], wanted: tuple[str, str]
) -> None:
    claims = HostClaims()
    claims.add(at("team-a", *held))
    claimed = claims.holder_of_host(at("team-b", *wanted))
    assert claimed is not None
    assert claimed[1].namespace == "team-a"
    assert claims.holder_of_host(at("team-a", *wanted)) is None


@pytest.mark.parametrize(
    ("held", "wanted"),
    [
        (("a.z", "/"), ("b.z", "/")),
        (("a.z", "/"), ("b.a.z", "/")),
        (("*.a.z", "/"), ("a.z", "/")),
        (("", "/"), ("a.z", "/x")),
        (("a.z", "/chat"), ("", "/chat/x")),
    ],
)
def test_a_host_beside_anothers_is_free(held: tuple[str, str], wanted: tuple[str, str]) -> None:
    claims = HostClaims()
    claims.add(at("team-a", *held))
    assert claims.holder_of_host(at("team-b", *wanted)) is None


def test_the_first_claim_on_a_host_counts() -> None:
    claims = HostClaims()
    claims.add(at("team-a", "a.z"))
    claims.add(at("root", "a.z", "/x"))
    claimed = claims.holder_of_host(at("root", "a.z", "/y"))
    assert claimed is not None
    assert claimed[1].namespace == "team-a"


def test_a_prefix_is_held_per_host() -> None:
    claims = HostClaims()
    claims.add(at("team-a", "a.z", "/x"))
    assert claims.holder_of_prefix(at("team-a", "a.z", "/x")) == ("a.z", "team-a/r")
    assert claims.holder_of_prefix(at("team-a", "b.z", "/x")) is None
    assert claims.holder_of_prefix(at("team-a", "a.z", "/y")) is None


def test_a_route_for_any_host_holds_its_prefix_and_what_is_below_on_named_hosts() -> None:
    claims = HostClaims()
    claims.add(at("root", "", "/chat"))
    claims.add(at("team-a", "", "/other"))
    for prefix, is_held in (
        ("/chat", True),
        ("/chat/x", True),
        ("/", False),
        ("/chatter", False),
        ("/other", False),
    ):
        assert (claims.holder_of_any_host(at("team-b", "a.z", prefix), "root") is not None) == is_held
    assert claims.holder_of_any_host(at("team-b", "", "/chat/x"), "root") is None
