"""Only trusted proxies are believed about who the client is and how the request is called."""

import ipaddress
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate_dataplane.handshake.peer import client_address, is_trusted, request_id

TRUSTED = tuple(ipaddress.ip_network(each) for each in ("10.0.0.0/8", "192.0.2.7/32", "fd00::/8"))
MADE = re.compile(r"[0-9a-f]{32}")


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("10.255.0.1", True),
        ("192.0.2.7", True),
        ("fd12::1", True),
        ("FD12:0::1", True),
        ("11.0.0.1", False),
        ("192.0.2.8", False),
        ("fe80::1", False),
        ("::ffff:11.0.0.1", False),
        ("", False),
        ("unix:", False),
        ("10.0.0.1:443", False),
    ],
)
def test_an_address_is_trusted_when_a_network_of_its_family_holds_it(address: str, *, expected: bool) -> None:
    assert is_trusted(address, TRUSTED) is expected
    assert not is_trusted(address, ())


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "client"),
    [
        # Nobody in between.
        ("203.0.113.9", [], "203.0.113.9"),
        ("10.0.0.1", [], "10.0.0.1"),
        # A peer that is no proxy says who it is: it is not believed.
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
        ("2001:db8::9", ["198.51.100.1"], "2001:db8::9"),
        # One proxy, then two, of either family.
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["2001:db8::5"], "2001:db8::5"),
        ("fd00::1", ["198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1", "fd00::2"], "198.51.100.1"),
        # The client sent the header itself and the proxy appended to it: the right-most stranger counts.
        ("10.0.0.1", ["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["10.9.9.9, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["1.1.1.1", "198.51.100.1", "192.0.2.7"], "198.51.100.1"),
        # All are ours: the first of them began it.
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        # What is no address ends the walk at the proxy that wrote it.
        ("10.0.0.1", ["unknown"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1, "], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1, nonsense, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", ["198.51.100.1:1234"], "10.0.0.1"),
    ],
)
def test_the_client_is_the_rightmost_hop_that_is_not_trusted(
    peer: str, forwarded_for: list[str], client: str
) -> None:
    assert client_address(peer, forwarded_for, TRUSTED) == client


def test_without_trusted_proxies_the_peer_is_the_client() -> None:
    assert client_address("10.0.0.1", ["198.51.100.1"], ()) == "10.0.0.1"


@given(st.lists(st.text(max_size=40) | st.ip_addresses().map(str), max_size=4))
def test_whatever_a_client_writes_before_its_own_address_changes_nothing(spoofed: list[str]) -> None:
    assert client_address("10.0.0.1", [*spoofed, "203.0.113.9"], TRUSTED) == "203.0.113.9"
    assert client_address("203.0.113.9", spoofed, TRUSTED) == "203.0.113.9"


@given(st.lists(st.text(max_size=40) | st.ip_addresses().map(str), max_size=4))
def test_the_client_is_always_an_address(forwarded_for: list[str]) -> None:
    ipaddress.ip_address(client_address("10.0.0.1", forwarded_for, TRUSTED))


@pytest.mark.parametrize("offered", ["abc", "0af7651916cd43dd8448eb211c80319c", "a.b_c:d/e+f=-", "x" * 128])
def test_a_trusted_proxys_request_id_is_kept(offered: str) -> None:
    assert request_id(offered, is_from_trusted=True) == offered


@pytest.mark.parametrize("offered", [None, "", "x" * 129, "a b", "a\nb", "abc\n", 'a"b', "ä", "{}", "<script>"])
def test_a_missing_or_odd_request_id_is_replaced(offered: str | None) -> None:
    assert MADE.fullmatch(request_id(offered, is_from_trusted=True))


def test_a_strangers_request_id_is_not_believed() -> None:
    assert MADE.fullmatch(request_id("mine", is_from_trusted=False))


def test_two_made_request_ids_differ() -> None:
    assert request_id(None, is_from_trusted=False) != request_id(None, is_from_trusted=False)
