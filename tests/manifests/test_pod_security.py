"""Every pod meets the Pod Security Standard `restricted`, field by field, and asks for no more than it needs."""

import pytest

from tests.manifests.objects import BASE, TRIAL_REDIS, Object, objects

RESTRICTED_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
DEPLOYMENTS = [o for folder in (BASE, TRIAL_REDIS) for o in objects(folder) if o["kind"] == "Deployment"]
PODS = [pytest.param(o["spec"]["template"]["spec"], id=o["metadata"]["name"]) for o in DEPLOYMENTS]


def test_every_workload_is_a_deployment() -> None:
    kinds = {
        o["kind"] for folder in (BASE, TRIAL_REDIS) for o in objects(folder) if "template" in o.get("spec", {})
    }
    assert kinds == {"Deployment"}
    assert len(DEPLOYMENTS) == 3


def test_the_namespace_enforces_the_standard() -> None:
    (namespace,) = (o for o in objects(BASE) if o["kind"] == "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize("pod", PODS)
def test_a_pod_shares_nothing_with_its_host(pod: Object) -> None:
    assert not any(pod.get(field) for field in ("hostNetwork", "hostPID", "hostIPC"))
    assert all(port.get("hostPort") is None for c in pod["containers"] for port in c["ports"])
    for volume in pod.get("volumes", []):
        assert volume.keys() - {"name"} <= RESTRICTED_VOLUMES, volume


@pytest.mark.parametrize("pod", PODS)
def test_a_pod_runs_as_a_user_that_is_not_root_under_the_runtimes_seccomp_profile(pod: Object) -> None:
    context = pod["securityContext"]
    assert context["runAsNonRoot"] is True
    assert context["runAsUser"] > 0
    assert context["runAsGroup"] > 0
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert "sysctls" not in context
    for c in pod["containers"]:
        # What the container says would win over what the pod says.
        assert not c["securityContext"].keys() & {"runAsNonRoot", "runAsUser", "seccompProfile", "privileged"}


@pytest.mark.parametrize("pod", PODS)
def test_a_container_gains_no_privilege_and_writes_nothing_into_its_image(pod: Object) -> None:
    assert "initContainers" not in pod
    for c in pod["containers"]:
        assert c["securityContext"]["allowPrivilegeEscalation"] is False
        assert c["securityContext"]["readOnlyRootFilesystem"] is True
        assert c["securityContext"]["capabilities"] == {"drop": ["ALL"]}


@pytest.mark.parametrize("pod", PODS)
def test_a_container_names_its_resources_and_cannot_take_the_nodes_memory(pod: Object) -> None:
    for c in pod["containers"]:
        assert c["resources"]["requests"].keys() == {"cpu", "memory"}
        # No limit on CPU: it would delay messages while the node is idle.
        assert c["resources"]["limits"].keys() == {"memory"}


@pytest.mark.parametrize("pod", PODS)
def test_a_pod_sees_no_other_services_in_its_environment(pod: Object) -> None:
    # WSGATE_PORT=tcp://... of a Service called wsgate would look like a setting.
    assert pod["enableServiceLinks"] is False


@pytest.mark.parametrize("pod", PODS)
def test_only_the_operator_gets_a_token_of_the_api_server(pod: Object) -> None:
    assert pod["automountServiceAccountToken"] is (pod.get("serviceAccountName") == "wsgate-operator")


def test_no_service_account_hands_out_its_token_unasked() -> None:
    accounts = [o for o in objects(BASE) if o["kind"] == "ServiceAccount"]
    assert {o["metadata"]["name"] for o in accounts} == {"wsgate-operator", "wsgate-dataplane"}
    assert all(account["automountServiceAccountToken"] is False for account in accounts)
