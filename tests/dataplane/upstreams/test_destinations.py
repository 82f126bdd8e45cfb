"""What is never dialled stays so in every form that leads to it."""

from ipaddress import IPv4Address, IPv4Network, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate_dataplane.upstreams.destinations import name_to_resolve, refusal_of, refusal_of_private

OWN = frozenset({ip_address("10.244.0.7"), ip_address("fd00:10::7")})
API_SERVER = (ip_network("10.96.0.1"), ip_network("203.0.113.9"))

FORMS = (
    "::ffff:{v4}",
    "::{v4}",
    "::ffff:0:{v4}",
    "64:ff9b::{v4}",
    "64:ff9b:1::{v4}",
    "64:ff9b:1:{high:04x}:{low_48:x}:{low_rest:x}::",
    "2002:{high:04x}:{low:04x}::1",
    "2001:0:{high:04x}:{low:04x}:0:0:f7f7:f7f7",
    "2001:0:808:808:0:0:{high_inverted:x}:{low_inverted:x}",
)


def refusal(text: str, *, is_loopback_allowed: bool = False) -> str | None:
    return refusal_of(
        ip_address(text), own_addresses=OWN, forbidden=API_SERVER, is_loopback_allowed=is_loopback_allowed
    )


def embedded(form: str, v4: IPv4Address) -> str:
    """The IPv4 address within an IPv6 address of the form."""
    high, low = int(v4) >> 16, int(v4) & 0xFFFF
    return form.format(
        v4=v4,
        high=high,
        low=low,
        low_48=low >> 8,
        low_rest=(low & 0xFF) << 8,
        high_inverted=high ^ 0xFFFF,
        low_inverted=low ^ 0xFFFF,
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("127.0.0.1", "a loopback address"),
        ("127.255.255.254", "a loopback address"),
        ("::1", "a loopback address"),
        ("0.0.0.0", "no address of a machine"),
        ("0.1.2.3", "no address of a machine"),
        ("::", "no address of a machine"),
        ("169.254.169.254", "a link-local address"),
        ("fe80::1", "a link-local address"),
        ("fe80::1%eth0", "a link-local address"),
        ("224.0.0.1", "an address of many machines"),
        ("ff02::1", "an address of many machines"),
        ("255.255.255.255", "an address of many machines"),
        ("fd00:ec2::254", "a cloud's metadata address"),
        ("168.63.129.16", "a cloud's metadata address"),
        ("10.244.0.7", "the gateway's own address"),
        ("fd00:10::7", "the gateway's own address"),
        ("10.96.0.1", "an address of the cluster's control plane or in WSGATE_DENY_CIDRS"),
        ("203.0.113.9", "an address of the cluster's control plane or in WSGATE_DENY_CIDRS"),
    ],
)
def test_an_address_that_no_route_may_reach_is_refused(text: str, says: str) -> None:
    assert refusal(text) == f"{text} is {says}, where the gateway never connects to"


@pytest.mark.parametrize(
    "text", ["10.0.0.1", "192.168.1.1", "8.8.8.8", "2606:4700::1111", "fd00::1", "64:ff9b::808:808", "64:ff9b:1::"]
)
def test_any_other_address_is_dialled_private_ones_too(text: str) -> None:
    assert refusal(text) is None


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("text", ["127.0.0.1", "169.254.169.254", "224.0.0.1", "10.244.0.7", "10.96.0.1"])
def test_a_refused_ipv4_address_is_refused_within_ipv6(text: str, form: str) -> None:
    assert refusal(embedded(form, IPv4Address(text))) is not None


@pytest.mark.parametrize("form", FORMS)
def test_a_public_ipv4_address_within_ipv6_is_dialled(form: str) -> None:
    assert refusal(embedded(form, IPv4Address("8.8.8.8"))) is None


def test_standalone_may_reach_its_own_machine_and_only_that() -> None:
    for text in ("127.0.0.1", "::1", "::ffff:127.0.0.1"):
        assert refusal(text, is_loopback_allowed=True) is None
    assert refusal("169.254.169.254", is_loopback_allowed=True) is not None


def test_a_zone_does_not_hide_the_gateways_own_address() -> None:
    assert refusal("fd00:10::7%eth0") is not None


@given(st.ip_addresses())
def test_every_address_has_an_answer(address: IPv4Address) -> None:
    answer = refusal_of(address, own_addresses=OWN, forbidden=API_SERVER, is_loopback_allowed=False)
    assert answer is None or str(address) in answer
    assert isinstance(refusal_of_private(address, ()), str | None)


@pytest.mark.parametrize(
    "text",
    [
        "10.96.0.5",
        "172.16.0.1",
        "100.64.0.1",
        "fd00::1",
        "fec0::1",
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
        "127.0.0.1",
    ],
)
def test_a_public_name_that_leads_to_a_private_address_is_refused(text: str) -> None:
    assert refusal_of_private(ip_address(text), ()) is not None


def test_a_public_name_may_lead_to_public_and_to_allowed_addresses() -> None:
    allowed = (IPv4Network("10.1.0.0/16"), ip_network("fd01::/16"))
    for text in ("8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "10.1.2.3", "::ffff:10.1.2.3", "fd01::1"):
        assert refusal_of_private(ip_address(text), allowed) is None
    assert refusal_of_private(ip_address("10.2.0.1"), allowed) is not None


@pytest.mark.parametrize(
    ("host", "resolved"),
    [
        ("redis.shop", "redis.shop."),
        ("www.example.com", "www.example.com."),
        ("www.example.com.", "www.example.com."),
        ("chat.shop.svc", "chat.shop.svc.cluster.local."),
        ("chat.shop.SVC", "chat.shop.SVC.cluster.local."),
        ("chat.shop.svc.cluster.local", "chat.shop.svc.cluster.local."),
        ("chat", "chat"),
        ("10.0.0.1", "10.0.0.1"),
        ("fd00::1.2.3.4", "fd00::1.2.3.4"),
    ],
)
def test_a_name_with_a_dot_is_looked_up_as_it_stands(host: str, resolved: str) -> None:
    assert name_to_resolve(host, "cluster.local") == resolved
    assert name_to_resolve(host, None) == host
