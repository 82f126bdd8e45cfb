"""Without a word, hosts are owned strictly, and destinations are standalone's: any."""

from wsgate_operator.translate.options import Options


def test_defaults_own_hosts_strictly_and_are_without_provider() -> None:
    options = Options(root_namespace="platform")
    assert (options.gateway_name, options.host_ownership) == ("wsgate", "Strict")
    assert options.has_environment_provider is False


def test_defaults_let_routes_point_anywhere_as_standalone_does() -> None:
    options = Options(root_namespace="platform")
    assert (options.tenant_destinations, options.allow_cidrs, options.cluster_domain) == (
        "Any",
        (),
        "cluster.local",
    )
