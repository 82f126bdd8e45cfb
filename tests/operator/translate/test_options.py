"""The defaults are the strict ones."""

from wsgate_operator.translate.options import Options


def test_defaults_are_strict_and_without_provider() -> None:
    options = Options(root_namespace="platform")
    assert (options.gateway_name, options.host_ownership) == ("wsgate", "Strict")
    assert options.has_environment_provider is False
