"""A grant is one verb on one name for one service account, and nothing that is typed becomes YAML of its own."""

from typing import Any

import pytest
import yaml

from wsgate_cli.plugin.flags import FlagError
from wsgate_cli.plugin.secret_grant import Grant, to_yaml


def grant(**changes: Any) -> Grant:
    usual: dict[str, Any] = {
        "secret": "client",
        "namespace": "shop",
        "gateway_name": "wsgate",
        "operator_namespace": "wsgate-system",
        "service_account": "wsgate-operator",
    }
    return Grant(**{**usual, **changes})


def test_it_is_get_on_one_name_for_the_operators_service_account() -> None:
    role, binding = yaml.safe_load_all(to_yaml(grant()))
    metadata = {"name": "wsgate-secret-client", "namespace": "shop"}
    assert role["metadata"] == binding["metadata"] == metadata
    assert role["rules"] == [
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["client"], "verbs": ["get"]}
    ]
    assert binding["roleRef"] == {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "Role",
        "name": "wsgate-secret-client",
    }
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": "wsgate-operator", "namespace": "wsgate-system"}
    ]


def test_without_a_namespace_kubectls_own_is_meant() -> None:
    assert all("namespace" not in each["metadata"] for each in yaml.safe_load_all(to_yaml(grant(namespace=None))))


def test_two_gateways_have_grants_of_their_own() -> None:
    role, binding = yaml.safe_load_all(to_yaml(grant(gateway_name="inner", operator_namespace="gw")))
    assert role["metadata"]["name"] == binding["roleRef"]["name"] == "inner-secret-client"
    assert binding["subjects"][0]["namespace"] == "gw"


def test_names_that_yaml_reads_as_something_else_stay_names() -> None:
    role, binding = yaml.safe_load_all(to_yaml(grant(secret="1e3", namespace="null", service_account="true")))
    assert role["rules"][0]["resourceNames"] == ["1e3"]
    assert role["metadata"]["namespace"] == "null"
    assert binding["subjects"][0]["name"] == "true"


@pytest.mark.parametrize(
    ("changes", "flag"),
    [
        ({"secret": "a: b"}, "NAME"),
        ({"secret": ""}, "NAME"),
        ({"secret": "a" * 254}, "NAME"),
        ({"secret": "a\n---\nkind: x"}, "NAME"),
        ({"namespace": "Shop"}, "--namespace"),
        ({"gateway_name": "a.b"}, "--gateway-name"),
        ({"operator_namespace": "../x"}, "--operator-namespace"),
        ({"service_account": "a b"}, "--service-account"),
    ],
)
def test_what_is_no_name_is_refused_by_its_flag(changes: dict[str, str], flag: str) -> None:
    with pytest.raises(FlagError, match=f"^{flag}: "):
        to_yaml(grant(**changes))
