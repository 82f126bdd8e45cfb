"""RBAC grants what the operator does, and nothing that a tenant's secrets or rights could hang on."""

from typing import Any

from tests.manifests.objects import BASE, TRIAL_REDIS, objects, only

Rule = dict[str, Any]
SET = "rbac.authorization.k8s.io/aggregate-to-"


def rules(kind: str, name: str) -> list[Rule]:
    found: list[Rule] = only(BASE, kind, name)["rules"]
    return found


def granted(kind: str, name: str) -> set[tuple[str, str]]:
    """Every (resource, verb) of a role."""
    return {(r, v) for rule in rules(kind, name) for r in rule["resources"] for v in rule["verbs"]}


def all_rules() -> list[Rule]:
    found = [o for folder in (BASE, TRIAL_REDIS) for o in objects(folder) if o["kind"] in ("Role", "ClusterRole")]
    return [rule for role in found for rule in role["rules"]]


def test_nobody_is_granted_others_secrets_or_wildcards_or_more_rights() -> None:
    for rule in all_rules():
        if "secrets" in rule["resources"]:
            assert rule["verbs"] == ["create"] or rule["resourceNames"] == ["wsgate-secrets"]
        assert "*" not in [*rule["resources"], *rule["verbs"], *rule["apiGroups"]]
        assert not {"escalate", "bind", "impersonate"} & set(rule["verbs"])
        assert "pods/exec" not in rule["resources"]


def test_the_operator_reads_objects_everywhere_and_writes_only_their_status_and_events() -> None:
    kinds = ("wsroutes", "tokenrevocations")
    assert granted("ClusterRole", "wsgate-operator") == {
        *((kind, verb) for kind in kinds for verb in ("get", "list", "watch")),
        *((f"{kind}/status", "patch") for kind in kinds),
        ("events", "create"),
        ("events", "patch"),
    }


def test_no_role_reads_secrets_in_every_namespace() -> None:
    roles = [o for folder in (BASE, TRIAL_REDIS) for o in objects(folder) if o["kind"] == "ClusterRole"]
    assert not [rule for role in roles for rule in role["rules"] if "secrets" in rule["resources"]]


def test_the_operator_touches_only_its_two_config_maps_its_secret_and_its_pods() -> None:
    by_name, secret, to_create, pods = rules("Role", "wsgate-operator")
    assert by_name["resources"] == ["configmaps"]
    assert by_name["resourceNames"] == ["wsgate-routes", "wsgate-revocations"]
    assert (secret["resources"], secret["resourceNames"]) == (["secrets"], ["wsgate-secrets"])
    assert by_name["verbs"] == secret["verbs"] == ["get", "update"]
    assert (to_create["resources"], to_create["verbs"]) == (["configmaps", "secrets"], ["create"])
    assert (pods["resources"], pods["verbs"]) == (["pods"], ["list", "patch"])


def test_every_binding_is_the_operators_service_account_to_the_role_of_its_name() -> None:
    bindings = [o for o in objects(BASE) if o["kind"] in ("RoleBinding", "ClusterRoleBinding")]
    assert {o["kind"] for o in bindings} == {"RoleBinding", "ClusterRoleBinding"}
    for binding in bindings:
        assert binding["roleRef"]["kind"] == binding["kind"].removesuffix("Binding")
        assert binding["roleRef"]["name"] == "wsgate-operator"
        assert binding["subjects"] == [
            {"kind": "ServiceAccount", "name": "wsgate-operator", "namespace": "wsgate-system"}
        ]


def test_editors_of_a_namespace_edit_its_routes_but_revoke_nothing() -> None:
    labels = only(BASE, "ClusterRole", "wsgate-route-editor")["metadata"]["labels"]
    assert {f"{SET}edit", f"{SET}admin"} <= labels.keys()
    assert {resource for resource, _ in granted("ClusterRole", "wsgate-route-editor")} == {"wsroutes"}


def test_viewers_of_a_namespace_only_look() -> None:
    labels = only(BASE, "ClusterRole", "wsgate-viewer")["metadata"]["labels"]
    assert {label for label in labels if label.startswith(SET)} == {f"{SET}view"}
    assert {verb for _, verb in granted("ClusterRole", "wsgate-viewer")} == {"get", "list", "watch"}


def test_revoking_is_a_role_that_nobody_inherits() -> None:
    assert not only(BASE, "ClusterRole", "wsgate-revoker")["metadata"].get("labels")
    verbs = ("get", "list", "watch", "create", "update", "patch", "delete")
    assert granted("ClusterRole", "wsgate-revoker") == {("tokenrevocations", verb) for verb in verbs}


def test_no_role_for_people_writes_a_status() -> None:
    for name in ("wsgate-route-editor", "wsgate-viewer", "wsgate-revoker"):
        assert not [resource for resource, _ in granted("ClusterRole", name) if "/" in resource]
