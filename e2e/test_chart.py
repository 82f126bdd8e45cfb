"""The Helm chart deploys what Kustomize deploys, takes the original's values, and says what is wrong."""

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.cluster import Cluster
from e2e.helm import CHART, NAMESPACE, RELEASE, Helm, Identity, Object, by_identity
from e2e.kubectl import Kubectl
from e2e.programs import get
from wsgate_cli.__main__ import main
from wsgate_dataplane.settings import SECRETS, Settings

BASE = CHART.parents[1] / "base"
OF_HELM = ("helm.sh/chart", "app.kubernetes.io/managed-by")
DATA_PLANE = ("Deployment", NAMESPACE, "wsgate-dataplane")
OPERATOR = ("Deployment", NAMESPACE, "wsgate-operator")
ORIGINAL: dict[str, Any] = {
    # The shape and the names of the original chart's values.
    "replicaCount": 3,
    "service": {"type": "ClusterIP", "port": 80},
    "gatewayRoutes": [
        {
            "prefix": "/livekit",
            "upstream": "ws://livekit-signal.media.svc.cluster.local:7880/signal",
            "copySubProtocol": True,
            "preserveQuery": True,
        },
        {"prefix": "/mqtt/", "upstream": "ws://rabbitmq.messaging.svc.cluster.local:15675/ws"},
    ],
    "resources": {"requests": {"cpu": "100m"}, "limits": {"memory": "512Mi"}},
    "env": {
        "WS_ALLOWED_ORIGINS": "*.example.com",
        "GRACEFUL_DRAIN_TIMEOUT_SECONDS": "90",
        "WS_IDLE_TIMEOUT_SECONDS": 90,
        "RATE_LIMIT_PER_SECOND": "50",
        "JWKS_URL": "https://keycloak.example.com/certs",
        "JWT_COOKIE_NAME": "",
    },
    "secrets": {
        "JWT_EXPECTED_ISSUER": "https://keycloak.example.com",
        "REDIS_URL": "redis://redis:6379/0",
        "POSTGRES_DSN": "",
    },
}


@pytest.fixture(scope="module")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Without a cluster."""
    get("kubectl", "helm")
    return Helm(tmp_path_factory.mktemp("helm"))


def objects(text: str) -> dict[Identity, Object]:
    return by_identity(list(yaml.safe_load_all(text)))


def variables(deployment: Object) -> dict[str, Any]:
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in container["env"]}


def without_helms_marks(found: Object) -> Object:
    """Without what the chart legitimately adds: its own labels, and the policy that keeps definitions."""
    result = deepcopy(found)
    for label in OF_HELM:
        assert result["metadata"]["labels"].pop(label)
    if result["kind"] == "CustomResourceDefinition":
        assert result["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
    return result


def test_the_chart_deploys_what_kustomize_deploys(helm: Helm, tmp_path: Path) -> None:
    by_kustomize = objects(Kubectl(tmp_path / "none")("kustomize", BASE))
    by_chart = objects(helm.template({"namespace": {"create": True}}))
    assert by_chart.keys() == by_kustomize.keys()
    for identity, expected in by_kustomize.items():
        assert without_helms_marks(by_chart[identity]) == expected, identity
    # By default Helm makes the namespace, or somebody has.
    assert objects(helm.template()).keys() == by_kustomize.keys() - {("Namespace", "", NAMESPACE)}


def test_lint_finds_nothing(helm: Helm) -> None:
    for values in ({}, ORIGINAL):
        text = helm("lint", "--strict", CHART, "-f", helm.values_file(values))
        assert "[ERROR]" not in text and "[WARNING]" not in text


def test_the_originals_routes_become_what_wsgate_migrate_writes(
    helm: Helm, capsys: pytest.CaptureFixture[str]
) -> None:
    for routes in (ORIGINAL["gatewayRoutes"], ORIGINAL["gatewayRoutes"][:1]):
        values = {**ORIGINAL, "gatewayRoutes": routes}
        capsys.readouterr()
        assert main(["migrate", "--values", str(helm.values_file(values)), "--namespace", NAMESPACE]) == 0
        migrated = objects(capsys.readouterr().out)
        found = {key: o for key, o in objects(helm.template(values)).items() if key[0] == "WsRoute"}
        assert found.keys() == migrated.keys()
        assert {key: o["spec"] for key, o in found.items()} == {key: o["spec"] for key, o in migrated.items()}


def test_names_of_routes_are_those_that_the_gateway_gives(helm: Helm, capsys: pytest.CaptureFixture[str]) -> None:
    prefixes = ["/", "/a/b", "/a-b", "/A.B", "/" + "x" * 300, "/..a~", "/a-b-2"]
    values = {"gatewayRoutes": [{"prefix": prefix, "upstream": "ws://u"} for prefix in prefixes]}
    assert main(["migrate", "--values", str(helm.values_file(values)), "--namespace", NAMESPACE]) == 0
    migrated = objects(capsys.readouterr().out)
    found = {key: o for key, o in objects(helm.template(values)).items() if key[0] == "WsRoute"}
    assert {key: o["spec"] for key, o in found.items()} == {key: o["spec"] for key, o in migrated.items()}


def test_the_originals_environment_reaches_the_halves_that_read_it(helm: Helm) -> None:
    found = objects(helm.template(ORIGINAL))
    data_plane, operator = found[DATA_PLANE], found[OPERATOR]
    given = variables(data_plane)
    plain = {name: value for name, value in given.items() if isinstance(value, str)}
    assert Settings.load(plain).ws_idle_timeout_seconds == 90
    assert plain["WS_ALLOWED_ORIGINS"] == "*.example.com"
    assert "JWT_COOKIE_NAME" not in plain
    assert data_plane["spec"]["replicas"] == 3
    assert data_plane["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 105
    (container,) = data_plane["spec"]["template"]["spec"]["containers"]
    assert container["envFrom"] == [{"secretRef": {"name": "wsgate-environment"}}]
    assert variables(operator)["WSGATE_HAS_ENVIRONMENT_PROVIDER"] == "true"
    assert variables(operator)["REDIS_URL"] == {"secretKeyRef": {"name": "wsgate-environment", "key": "REDIS_URL"}}
    secret = found["Secret", NAMESPACE, "wsgate-environment"]
    assert secret["stringData"].keys() == {"JWT_EXPECTED_ISSUER", "REDIS_URL"}
    (port,) = found["Service", NAMESPACE, "wsgate"]["spec"]["ports"]
    assert port["port"] == 80


def test_secrets_stand_in_the_secret_alone_and_a_change_of_one_restarts_the_pods(helm: Helm) -> None:
    def annotations(values: dict[str, Any]) -> dict[str, str]:
        template = objects(helm.template(values))[DATA_PLANE]["spec"]["template"]
        result: dict[str, str] = template["metadata"]["annotations"]
        return result

    canary = "redis://:hunter2@redis"
    changed = {**ORIGINAL, "secrets": {"REDIS_URL": canary}}
    found = objects(helm.template(changed))
    assert [key[0] for key, o in found.items() if "hunter2" in json.dumps(o)] == ["Secret"]
    assert annotations(changed) != annotations(ORIGINAL)


def test_no_variable_is_given_twice_whatever_is_set(helm: Helm) -> None:
    names = [*(f"{name.upper()}" for name in SECRETS), "JWKS_URL", "INGRESS_HOST"]
    values = {
        "env": {"INGRESS_HOST": "a.example.com", "WSGATE_ALLOW_CIDRS": "10.0.0.0/8"},
        "secrets": {name: "x" for name in names if name != "INGRESS_HOST"},
        "ingress": {"enabled": True, "host": "b.example.com"},
        "operator": {"env": {"WSGATE_HAS_ENVIRONMENT_PROVIDER": "true", "WSGATE_ALLOW_CIDRS": "10.1.0.0/16"}},
    }
    found = objects(helm.template(values))
    for deployment in (found[DATA_PLANE], found[OPERATOR]):
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        assert len(variables(deployment)) == len(container["env"])
    assert variables(found[DATA_PLANE])["INGRESS_HOST"] == "a.example.com"
    assert variables(found[OPERATOR])["WSGATE_ALLOW_CIDRS"] == "10.1.0.0/16"


def test_another_gateway_shares_no_name_with_the_first(helm: Helm) -> None:
    others = {"gatewayName": "internal", "crds": {"install": False}, "gatewayRoutes": ORIGINAL["gatewayRoutes"]}
    first, second = objects(helm.template(ORIGINAL)), objects(helm.template(others))
    routes = {key for key in second if key[0] == "WsRoute"}
    assert first.keys() & second.keys() == routes
    assert {second[key]["spec"]["gatewayName"] for key in routes} == {"internal"}
    assert variables(second["Deployment", NAMESPACE, "internal-operator"])["WSGATE_GATEWAY_NAME"] == "internal"


def test_an_ingress_leads_to_the_service_and_its_host_counts_for_origins(helm: Helm) -> None:
    values = {"ingress": {"enabled": True, "host": "ws.example.com", "tls": {"secretName": "cert"}}}
    found = objects(helm.template(values))
    spec = found["Ingress", NAMESPACE, "wsgate"]["spec"]
    assert spec["tls"] == [{"hosts": ["ws.example.com"], "secretName": "cert"}]
    (path,) = spec["rules"][0]["http"]["paths"]
    assert path["backend"] == {"service": {"name": "wsgate", "port": {"name": "http"}}}
    assert variables(found[DATA_PLANE])["INGRESS_HOST"] == "ws.example.com"


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"image": {"repository": "old", "tag": "latest"}}, "'repository'"),
        ({"replicas": 2}, "'replicas'"),
        ({"gatewayRoutes": [{"prefix": "/a"}]}, "/gatewayRoutes/0"),
        (
            {"gatewayRoutes": [{"prefix": "/a", "upstream": "ws://u", "copySubprotocol": True}]},
            "'copySubprotocol'",
        ),
        (
            {"gatewayRoutes": [{"prefix": "a", "upstream": "ws://u"}]},
            "gatewayRoutes[0].prefix: expected a path such",
        ),
        (
            {"gatewayRoutes": [{"prefix": "/a//b", "upstream": "ws://u"}]},
            "gatewayRoutes[0].prefix: expected a path",
        ),
        (
            {"gatewayRoutes": [{"prefix": "/a", "upstream": "http://u"}]},
            "gatewayRoutes[0].upstream: expected ws://",
        ),
        (
            {"gatewayRoutes": [{"prefix": p, "upstream": "ws://u"} for p in ("/a", "/a/")]},
            'gatewayRoutes[1].prefix: "/a" is there twice, first in gatewayRoutes[0]',
        ),
        ({"env": {"REDIS_URL": "redis://hunter2@h"}}, "env.REDIS_URL: is a secret"),
        ({"env": {"WS_ALLOWED_ORIGINS": "*"}}, "env.WS_ALLOWED_ORIGINS: * is refused"),
        ({"env": {"ROUTE_FILE": "/x"}}, "env.ROUTE_FILE: the chart sets it; remove it"),
        ({"env": {"jwks_url": "x"}}, "env.jwks_url: expected a name such as JWKS_URL"),
        ({"env": {"JWKS_URL": ["x"]}}, "/env/JWKS_URL"),
        (
            {"env": {"JWKS_URL": "x"}, "secrets": {"JWKS_URL": "y"}},
            "env.JWKS_URL: is also below secrets; keep one",
        ),
        ({"operator": {"env": {"REDIS_URL": "redis://hunter2@h"}}}, "operator.env.REDIS_URL: is a secret"),
        ({"operator": {"env": {"WSGATE_NAMESPACE": "x"}}}, "operator.env.WSGATE_NAMESPACE: the chart sets it"),
        ({"ingress": {"enabled": True}}, "ingress.host: is missing"),
        ({"gatewayName": "Big"}, "/gatewayName"),
    ],
)
def test_values_that_cannot_be_used_are_refused_by_their_names(
    helm: Helm, values: dict[str, Any], told: str
) -> None:
    text = helm.refusal("template", RELEASE, CHART, "-f", helm.values_file(values))
    assert told in text
    assert "hunter2" not in text


@pytest.fixture
def live(cluster: Cluster, tmp_path: Path) -> Iterator[Helm]:
    """With the cluster of the other tests, which has everything of the base but no release of Helm's."""
    yield Helm(tmp_path, cluster.kubectl.kubeconfig)


def test_the_api_server_takes_every_object_of_the_chart(helm: Helm, cluster: Cluster) -> None:
    # Under names of its own: beside the one port of the base's Service it would be a second.
    values = {**ORIGINAL, "gatewayName": "by-chart", "ingress": {"enabled": True, "host": "ws.example.com"}}
    arguments = ("--server-side", "--dry-run=server", "--force-conflicts", "-f", "-")
    told = cluster.kubectl("apply", *arguments, stdin=helm.template(values)).splitlines()
    assert len(told) == len(objects(helm.template(values)))
    assert all(line.endswith("serverside-applied (server dry run)") for line in told)


def test_a_release_is_installed_upgraded_and_removed_but_definitions_stay(live: Helm, cluster: Cluster) -> None:
    # Another gateway beside the one of the base, whose definitions are there.
    values = {
        "gatewayName": "by-helm",
        "crds": {"install": False},
        "gatewayRoutes": ORIGINAL["gatewayRoutes"],
        "env": {"JWKS_URL": "https://idp.example.com/certs"},
    }
    arguments = (CHART, "-n", "by-helm", "-f")
    live("install", "by-helm", *arguments, live.values_file(values), "--create-namespace")
    routes = cluster.kubectl.json("get", "wsroutes", "-n", "by-helm")["items"]
    assert {each["metadata"]["name"] for each in routes} == {"livekit", "mqtt"}
    values["gatewayRoutes"] = ORIGINAL["gatewayRoutes"][1:]
    live("upgrade", "by-helm", *arguments, live.values_file(values))
    routes = cluster.kubectl.json("get", "wsroutes", "-n", "by-helm")["items"]
    assert {each["metadata"]["name"] for each in routes} == {"mqtt", "ws"}
    live("uninstall", "by-helm", "-n", "by-helm")
    assert cluster.kubectl.json("get", "wsroutes", "-n", "by-helm")["items"] == []
    assert len(cluster.kubectl.json("get", "crd")["items"]) == 2


def test_a_first_install_brings_the_definitions_and_says_that_routes_need_a_second_run(
    helm: Helm, tmp_path_factory: pytest.TempPathFactory
) -> None:
    get()
    values = {"gatewayRoutes": ORIGINAL["gatewayRoutes"], "env": {"JWKS_URL": "https://idp.example.com/certs"}}
    with Cluster(tmp_path_factory.mktemp("empty-cluster")) as empty:
        live = Helm(tmp_path_factory.mktemp("empty-helm"), empty.kubectl.kubeconfig)
        arguments = (RELEASE, CHART, "-n", NAMESPACE, "--create-namespace", "-f", live.values_file(values))
        assert "THE ROUTES ARE NOT THERE YET" in live("upgrade", "--install", *arguments)
        empty.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        assert empty.kubectl.json("get", "wsroutes", "-A")["items"] == []
        assert "THE ROUTES ARE NOT THERE YET" not in live("upgrade", "--install", *arguments)
        assert len(empty.kubectl.json("get", "wsroutes", "-n", NAMESPACE)["items"]) == 2
        live("uninstall", RELEASE, "-n", NAMESPACE)
        assert len(empty.kubectl.json("get", "crd")["items"]) == 2
