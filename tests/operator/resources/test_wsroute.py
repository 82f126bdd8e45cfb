"""The WsRoute's own rules beside the contract's."""

import pytest

from tests.operator.objects import wsroute
from wsgate_operator.resources.invalid import InvalidObject


@pytest.mark.parametrize("prefix", ["/healthz", "/healthz/x", "/.wsgate", "/.wsgate/refresh"])
def test_a_prefix_of_the_gateways_own_pages_is_refused(prefix: str) -> None:
    with pytest.raises(InvalidObject, match="the gateway's own; choose another prefix"):
        wsroute(prefix=prefix)


@pytest.mark.parametrize("prefix", ["/a/../b", "/..", "/a/.", "/a%2e", "/a%2Fb", "/a%5cb", "/a%00"])
def test_a_prefix_that_no_request_can_reach_is_refused(prefix: str) -> None:
    with pytest.raises(InvalidObject, match="no request is ever routed"):
        wsroute(prefix=prefix)


@pytest.mark.parametrize("prefix", ["/", "/healthzz", "/.wsgates", "/a..b", "/.well-known/x", "/a%20b"])
def test_a_prefix_that_only_looks_special_is_accepted(prefix: str) -> None:
    assert wsroute(prefix=prefix).spec.prefix == prefix


def test_the_gateway_is_wsgate_when_none_is_named() -> None:
    assert wsroute().spec.gateway_name == "wsgate"
