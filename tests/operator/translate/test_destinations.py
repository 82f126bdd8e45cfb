"""A tenant's route points at its own Services and at what is public, in whatever spelling."""

from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.operator.objects import wsroute
from wsgate_operator.translate.destinations import destinations_of, forbidden_destination
from wsgate_operator.translate.options import Options

PUBLIC = Options(
    root_namespace="platform",
    tenant_destinations="OwnNamespaceAndPublic",
    allow_cidrs=(ip_network("10.20.0.0/16"), ip_network("fd20::/16")),
    namespaces=frozenset({"shop", "team-a"}),
)
OWN = replace(PUBLIC, tenant_destinations="OwnNamespace")


def judged(host: str, options: Options = PUBLIC) -> str | None:
    """The word on a JWKS URL with the host; its pattern lets more through than an upstream's."""
    return judged_url(f"https://{host}/keys", options)


def judged_url(url: str, options: Options = PUBLIC) -> str | None:
    provider = {"issuer": "free text", "audiences": ["a"], "jwks": {"uri": url}}
    route = wsroute(namespace="team-a", upstream="ws://chat.team-a.svc", auth={"providers": [provider]})
    return forbidden_destination(route.spec, "team-a", options)


OWN_SERVICES = [
    "chat.team-a.svc",
    "chat.team-a.svc:8080",
    "chat.team-a.svc.",
    "CHAT.Team-A.SVC",
    "chat.team-a.svc.cluster.local",
    "chat.team-a.svc.cluster.local.",
    "Chat.Team-A.Svc.Cluster.Local:1",
    "chat-0.chat.team-a.svc",
]
PUBLIC_HOSTS = [
    "example.com",
    "chat.example.com",
    "chat.example.com.",
    "xn--bcher-kva.example",
    "chat.xn--p1ai",
    "svc.example.com",
    "redis.platform.svc.example.com",
    "8.8.8.8",
    "[2606:4700::1111]",
    "10.20.1.2",
    "[fd20::1]",
]
FORBIDDEN = [
    # Another namespace's, however it is written.
    "redis.platform.svc",
    "REDIS.PLATFORM.SVC.",
    "redis.platform.svc.cluster.local",
    "redis.platform.svc.cluster.local.",
    "redis-0.redis.platform.svc",
    "team-a.platform.svc",
    "chat.team-a.svc.platform.svc",
    "redis.platform",
    "redis.default",
    "redis.shop",
    "redis-0.redis.shop",
    "redis.kube-system",
    "chat.team-a",
    # Nobody's Service, though it ends like one.
    "svc",
    "team-a.svc",
    "svc.cluster.local",
    "team-a.svc.cluster.local",
    "cluster.local",
    "redis.platform.svc.team-a.svc",
    "10-0-0-1.team-a.pod",
    "10-0-0-1.team-a.pod.cluster.local",
    "chat.team-a.svc.cluster.local.cluster.local",
    "chat.team-a.svc.other.local",
    # Looked up beside the gateway, or in a private zone.
    "redis",
    "redis.",
    "localhost",
    "LOCALHOST",
    "metadata.google.internal",
    "printer.local",
    "intra.corp",
    "a.b-c",
    "a_b.c_d",
    # Addresses that are not public, and odd spellings of any.
    "10.0.0.1",
    "10.0.0.1.",
    "127.0.0.1",
    "169.254.169.254",
    "100.64.0.1",
    "224.0.0.1",
    "0.0.0.0",
    "0x7f.1",
    "0X7F.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "017700000001",
    "0177.0.0.1",
    "0x",
    "8.8.8",
    "1.2.3.4.5",
    "256.1.1.1",
    "[::1]",
    "[::]",
    "[fd00::1]",
    "[fe80::1]",
    "[fec0::1]",
    "[ff02::1]",
    "[::ffff:10.20.0.1]",
    "[::ffff:8.8.8.8]",
    "[::8.8.8.8]",
    "[64:ff9b::a00:1]",
    "[2002:a00:1::1]",
    "[2001:0:a00:1::1]",
    "[2001:db8::1]",
    "[1:2]",
    # What readers of URLs do not agree on.
    "user@redis.platform.svc",
    "chat.team-a.svc@redis.platform.svc",
    "chat.team-a.svc:80@redis.platform.svc",
    "chat.team-a.svc\\@redis.platform.svc",
    "redis.platform.svc\\.team-a.svc",
    "redis%2eplatform%2esvc",
    "redis.platform.svc%00.example.com",
    "redis.platform。svc",
    "ⓡedis.platform.svc",
    "127.0.0.1",
    "bücher.example",
    "[fe80::1%25eth0]",
    "[fe80::1%eth0]",
    "a..example.com",
    ".example.com",
    "example.com..",
    "example.com:port",
    "example.com:123456",
    "",
    ":80",
]


@pytest.mark.parametrize("host", OWN_SERVICES)
def test_a_service_of_its_own_namespace_is_permitted_by_every_policy(host: str) -> None:
    assert (judged(host), judged(host, OWN)) == (None, None)


@pytest.mark.parametrize("host", PUBLIC_HOSTS)
def test_a_public_host_is_permitted_unless_only_the_own_namespace_is(host: str) -> None:
    assert judged(host) is None
    fault = judged(host, OWN)
    assert fault is not None
    assert 'create the route in the root namespace "platform"' in fault


@pytest.mark.parametrize("host", FORBIDDEN)
def test_a_host_that_leads_elsewhere_is_forbidden_by_either_policy(host: str) -> None:
    for options in (PUBLIC, OWN):
        fault = judged(host, options)
        assert fault is not None
        assert fault.startswith("spec.auth.providers[0].jwks.uri: ")


@pytest.mark.parametrize("host", [*FORBIDDEN, *PUBLIC_HOSTS])
def test_the_root_namespace_and_the_policy_any_permit_all(host: str) -> None:
    assert judged(host, replace(PUBLIC, tenant_destinations="Any")) is None
    assert judged(host, replace(PUBLIC, root_namespace="team-a")) is None


@pytest.mark.parametrize(
    "url",
    ["https://chat.team-a.svc", "https://chat.team-a.svc?x=@redis.platform.svc", "http://chat.team-a.svc/@b:c\\d"],
)
def test_what_stands_behind_the_host_does_not_count(url: str) -> None:
    assert judged_url(url) is None


@pytest.mark.parametrize(
    ("host", "way_out"),
    [
        (
            "redis.team-b.svc",
            'is a Service of namespace "team-b": create the route there, or in the root namespace "platform"',
        ),
        (
            "redis.platform.svc",
            'is a Service of namespace "platform": create the route in the root namespace "platform"',
        ),
        ("chat", "write chat.team-a.svc"),
        ("team-a.svc", "write SERVICE.team-a.svc"),
        ("10.0.0.1", "have it added to WSGATE_ALLOW_CIDRS, or create the route in the root namespace"),
        ("0x7f.1", "write four decimal numbers"),
        ("redis.shop", 'may be a Service of namespace "shop" by a resolver\'s search list'),
        ("bücher.example", "the host in ASCII"),
    ],
)
def test_a_fault_names_the_way_out(host: str, way_out: str) -> None:
    assert way_out in (judged(host) or "")


def test_another_cluster_domain_is_known_by_its_setting() -> None:
    elsewhere = replace(PUBLIC, cluster_domain="K8s.Corp.Example.")
    assert judged("chat.team-a.svc.k8s.corp.example", elsewhere) is None
    assert judged("redis.platform.svc.k8s.corp.example", elsewhere) is not None
    assert judged("node.k8s.corp.example", elsewhere) is not None
    assert judged("chat.team-a.svc.cluster.local", elsewhere) is not None


def test_every_url_that_is_connected_to_is_judged_and_no_other() -> None:
    evil, reference = "https://keys.evil.svc", {"name": "s"}
    providers: list[dict[str, Any]] = [
        {"issuer": evil, "audiences": ["a"]},
        {"issuer": evil, "audiences": ["a"], "jwks": {"inline": "{}"}},
        {
            "issuer": evil,
            "audiences": ["a"],
            "jwks": {"uri": "https://example.com"},
            "introspection": {"url": evil, "credentialsRef": reference},
        },
        {"issuer": evil, "audiences": ["a"], "jwks": {"uri": evil}},
    ]
    route = wsroute(
        upstreams=[{"url": "ws://a.evil.svc"}, {"url": "ws://b.evil.svc"}], auth={"providers": providers}
    )
    fault = forbidden_destination(route.spec, "team-a", PUBLIC) or ""
    assert [part.split(": ")[0] for part in fault.split("; ")] == [
        "spec.upstreams[0].url",
        "spec.upstreams[1].url",
        "spec.auth.providers[0].issuer",
        "spec.auth.providers[2].introspection.url",
        "spec.auth.providers[3].jwks.uri",
    ]
    assert (forbidden_destination(wsroute(upstream="ws://a.evil.svc").spec, "team-a", PUBLIC) or "").startswith(
        "spec.upstream: "
    )


@pytest.mark.parametrize(
    "issuer", ["accounts.example.com", "urn:issuer", "https:/example.com", "ftp://example.com"]
)
def test_an_issuer_that_names_no_host_cannot_be_discovered(issuer: str) -> None:
    route = wsroute(upstream="ws://a.team-a.svc", auth={"providers": [{"issuer": issuer, "audiences": ["a"]}]})
    assert "cannot be judged" in (forbidden_destination(route.spec, "team-a", PUBLIC) or "")


PIECES = st.sampled_from(
    [
        "redis",
        "platform",
        "svc",
        "cluster",
        "local",
        ".",
        ":80",
        "@",
        "%2e",
        "\\",
        "/",
        "?",
        "[",
        "]",
        "127",
        "0x7f",
    ]
)


@given(st.lists(PIECES, min_size=1, max_size=9))
def test_no_arrangement_of_pieces_reaches_another_namespace(pieces: list[str]) -> None:
    host = "".join(pieces)
    try:
        fault = judged(host)
    except ValueError:
        return
    if fault is None:
        # Permitted: then no reader of URLs finds the other namespace's Service in it.
        authority = host.split("/")[0].split("?")[0]
        assert not authority.split(":")[0].rstrip(".").endswith(("platform", "platform.svc", "svc.cluster.local"))


def test_the_data_plane_is_told_whose_addresses_to_check() -> None:
    anywhere = replace(PUBLIC, tenant_destinations="Any")
    assert destinations_of("team-a", PUBLIC) == destinations_of("team-a", OWN) == "Restricted"
    assert destinations_of("platform", OWN) == destinations_of("team-a", anywhere) == "Any"
