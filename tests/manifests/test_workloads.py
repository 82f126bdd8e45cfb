"""The Deployments name the settings, ports, files and labels that the code knows."""

import os
from typing import Any

import pytest

from tests.manifests.objects import (
    BASE,
    STRICT,
    TRIAL_REDIS,
    Object,
    container,
    documents,
    environment,
    kustomization,
    only,
)
from wsgate_dataplane.settings import Settings, environment_names
from wsgate_operator.settings import ClusterSettings

OPERATOR = only(BASE, "Deployment", "wsgate-operator")
DATA_PLANE = only(BASE, "Deployment", "wsgate-dataplane")
PRE_STOP_SECONDS = 5
OPERATOR_NAMES = {
    *(f"WSGATE_{name.upper()}" for name in ClusterSettings.model_fields if name != "redis_url"),
    "WSGATE_REVOCATION_REDIS_URL",
    "REDIS_URL",
}


def labels(component: str) -> dict[str, str]:
    """By which the operator finds the pods and everything else finds each other."""
    return {
        "app.kubernetes.io/name": "wsgate",
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/instance": ClusterSettings.model_fields["gateway_name"].default,
    }


def patched(file: str) -> dict[str, Object]:
    (patch,) = documents(STRICT / file)
    return environment(patch)


@pytest.mark.parametrize(("deployment", "component"), [(OPERATOR, "operator"), (DATA_PLANE, "dataplane")])
def test_pods_carry_the_labels_by_which_they_are_found(deployment: Object, component: str) -> None:
    assert deployment["spec"]["template"]["metadata"]["labels"] == labels(component)
    assert deployment["spec"]["selector"]["matchLabels"] == labels(component)


@pytest.mark.parametrize(
    ("kind", "name", "path"),
    [
        ("Service", "wsgate", ["selector"]),
        ("PodDisruptionBudget", "wsgate-dataplane", ["selector", "matchLabels"]),
        ("NetworkPolicy", "wsgate-dataplane", ["podSelector", "matchLabels"]),
    ],
)
def test_what_surrounds_the_data_plane_selects_it(kind: str, name: str, path: list[str]) -> None:
    selected: Any = only(BASE, kind, name)["spec"]
    for step in path:
        selected = selected[step]
    assert selected == labels("dataplane")


@pytest.mark.parametrize(("deployment", "component"), [(OPERATOR, "operator"), (DATA_PLANE, "dataplane")])
def test_an_image_is_named_after_its_dockerfile(deployment: Object, component: str) -> None:
    assert container(deployment)["image"] == f"wsgate-{component}:dev"


def test_every_variable_is_a_setting() -> None:
    assert set(environment(OPERATOR)) <= OPERATOR_NAMES
    assert set(environment(DATA_PLANE)) <= set(environment_names())


def test_the_strict_presets_variables_are_settings_and_strict() -> None:
    data_plane = {name: variable["value"] for name, variable in patched("dataplane.yaml").items()}
    assert data_plane == {
        "WSGATE_REVOCATION_STALE_SECONDS": "10",
        "WSGATE_REVOCATION_CLOSE_SPREAD_SECONDS": "0",
    }
    Settings.load(data_plane)
    operator = {name: variable["value"] for name, variable in patched("operator.yaml").items()}
    assert operator == {"WSGATE_REVOCATION_CONFIRM_SECONDS": "3"}
    assert set(operator) <= OPERATOR_NAMES


@pytest.mark.parametrize(("file", "deployment"), [("operator.yaml", OPERATOR), ("dataplane.yaml", DATA_PLANE)])
def test_a_strict_patch_meets_the_container_that_it_means(file: str, deployment: Object) -> None:
    (patch,) = documents(STRICT / file)
    assert patch["metadata"] == {key: deployment["metadata"][key] for key in ("name", "namespace")}
    assert container(patch)["name"] == container(deployment)["name"]


def test_both_components_serve_one_gateway() -> None:
    (name,) = {environment(each)["WSGATE_GATEWAY_NAME"]["value"] for each in (OPERATOR, DATA_PLANE)}
    assert name == ClusterSettings.model_fields["gateway_name"].default
    assert name == Settings.model_fields["wsgate_gateway_name"].default


def test_a_pod_learns_its_name_and_the_operator_its_namespace_from_the_cluster() -> None:
    assert environment(DATA_PLANE)["WSGATE_POD_NAME"]["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}
    expected = {"fieldRef": {"fieldPath": "metadata.namespace"}}
    assert environment(OPERATOR)["WSGATE_NAMESPACE"]["valueFrom"] == expected


def test_the_rendered_files_are_mounted_as_one_volume_where_they_are_looked_for() -> None:
    route_file = Settings.model_fields["route_file"].default
    assert environment(DATA_PLANE)["ROUTE_FILE"]["value"] == os.fspath(route_file)
    mount, _ = container(DATA_PLANE)["volumeMounts"]
    assert mount == {"name": "rendered", "mountPath": os.fspath(route_file.parent), "readOnly": True}
    volume, _ = DATA_PLANE["spec"]["template"]["spec"]["volumes"]
    sources = [{"configMap": {"name": f"wsgate-{kind}", "optional": True}} for kind in ("routes", "revocations")]
    assert volume == {"name": "rendered", "projected": {"sources": sources}}


def test_the_operators_secret_is_mounted_where_client_certificates_are_looked_for() -> None:
    _, mount = container(DATA_PLANE)["volumeMounts"]
    folder = environment(DATA_PLANE)["WSGATE_SECRETS_DIR"]["value"]
    assert mount == {"name": "secrets", "mountPath": folder, "readOnly": True}
    _, volume = DATA_PLANE["spec"]["template"]["spec"]["volumes"]
    # Optional: most gateways have none.
    assert volume == {"name": "secrets", "secret": {"secretName": "wsgate-secrets", "optional": True}}


def test_the_operator_knows_whom_namespaces_grant_their_secrets() -> None:
    expected = {"fieldRef": {"fieldPath": "spec.serviceAccountName"}}
    assert environment(OPERATOR)["WSGATE_SERVICE_ACCOUNT"]["valueFrom"] == expected
    account = OPERATOR["spec"]["template"]["spec"]["serviceAccountName"]
    assert ClusterSettings.model_fields["service_account"].default == account


def test_each_component_gets_the_redis_user_that_is_its_own() -> None:
    for deployment, key in ((OPERATOR, "operator-url"), (DATA_PLANE, "dataplane-url")):
        source = environment(deployment)["WSGATE_REVOCATION_REDIS_URL"]["valueFrom"]
        # Without Redis the ConfigMap is the channel, so the Secret may be missing.
        assert source == {"secretKeyRef": {"name": "wsgate-redis", "key": key, "optional": True}}
    (generated,) = kustomization(TRIAL_REDIS)["secretGenerator"]
    assert generated["name"] == "wsgate-redis"
    assert [literal.partition("=")[0] for literal in generated["literals"]] == ["operator-url", "dataplane-url"]


def test_no_secret_is_written_into_a_deployment() -> None:
    for deployment in (OPERATOR, DATA_PLANE):
        for name, variable in environment(deployment).items():
            is_secret = any(word in name for word in ("URL", "TOKEN", "PASSWORD", "KEY"))
            assert is_secret == ("secretKeyRef" in variable.get("valueFrom", {})), name


def test_ports_are_those_of_the_listeners() -> None:
    ports = {port["name"]: port["containerPort"] for port in container(DATA_PLANE)["ports"]}
    assert ports == {"public": 8080, "admin": 9090}
    assert [port["containerPort"] for port in container(OPERATOR)["ports"]] == [9090]
    assert ClusterSettings.model_fields["admin_listen"].default == ":9090"


def test_clients_reach_the_public_port_alone() -> None:
    assert only(BASE, "Service", "wsgate")["spec"]["ports"] == [
        {"name": "http", "port": 8080, "targetPort": "public"}
    ]


@pytest.mark.parametrize("name", ["wsgate-dataplane", "wsgate-operator"])
def test_the_admin_port_is_open_to_the_namespace_and_monitoring_only(name: str) -> None:
    spec = only(BASE, "NetworkPolicy", name)["spec"]
    rules = {rule["ports"][0]["port"]: rule.get("from") for rule in spec["ingress"]}
    assert spec["policyTypes"] == ["Ingress"]
    assert rules["admin"] == [
        {"podSelector": {}},
        {"namespaceSelector": {"matchLabels": {"wsgate.dev/monitoring": "true"}}},
    ]
    assert {port: peers for port, peers in rules.items() if port != "admin"} == (
        {"public": None} if name == "wsgate-dataplane" else {}
    )


@pytest.mark.parametrize("deployment", [OPERATOR, DATA_PLANE], ids=["operator", "dataplane"])
def test_probes_ask_the_admin_port(deployment: Object) -> None:
    c = container(deployment)
    for probe, path in (("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")):
        assert c[probe]["httpGet"] == {"path": path, "port": "admin"}


def test_there_is_one_operator_at_a_time() -> None:
    assert OPERATOR["spec"]["replicas"] == 1
    assert OPERATOR["spec"]["strategy"] == {"type": "Recreate"}


def test_a_rollout_never_leaves_fewer_pods_than_wanted() -> None:
    assert DATA_PLANE["spec"]["replicas"] == 2
    assert DATA_PLANE["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}


def test_a_pod_is_given_the_time_that_its_drain_takes() -> None:
    pod = DATA_PLANE["spec"]["template"]["spec"]
    pre_stop = container(DATA_PLANE)["lifecycle"]["preStop"]["exec"]["command"]
    assert pre_stop == ["python", "-c", f"import time; time.sleep({PRE_STOP_SECONDS})"]
    defaults = [
        Settings.model_fields[name].default for name in ("graceful_drain_timeout_seconds", "shutdown_hard_limit")
    ]
    assert pod["terminationGracePeriodSeconds"] > PRE_STOP_SECONDS + sum(defaults)
