"""The operator's settings come from the environment, or from strict defaults."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from wsgate_operator.settings import ClusterSettings, OperatorSettings


def test_without_variables_the_defaults_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ROOT_NAMESPACE", "GATEWAY_NAME", "HOST_OWNERSHIP"):
        monkeypatch.delenv(f"WSGATE_{name}", raising=False)
    settings = OperatorSettings()
    assert (settings.root_namespace, settings.gateway_name, settings.host_ownership) == (
        "default",
        "wsgate",
        "Strict",
    )


def test_variables_are_read_and_empty_ones_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WSGATE_ROOT_NAMESPACE", "platform")
    monkeypatch.setenv("WSGATE_GATEWAY_NAME", "")
    monkeypatch.setenv("WSGATE_HOST_OWNERSHIP", "Shared")
    settings = OperatorSettings()
    assert (settings.root_namespace, settings.gateway_name, settings.host_ownership) == (
        "platform",
        "wsgate",
        "Shared",
    )


def test_all_faults_are_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WSGATE_ROOT_NAMESPACE", "A_B")
    monkeypatch.setenv("WSGATE_HOST_OWNERSHIP", "strict")
    with pytest.raises(ValidationError) as caught:
        OperatorSettings()
    assert caught.value.error_count() == 2


def test_every_setting_is_described() -> None:
    assert all(field.description for field in OperatorSettings.model_fields.values())


@pytest.mark.parametrize("field", OperatorSettings.model_fields)
def test_settings_cannot_be_changed(field: str) -> None:
    with pytest.raises(ValidationError):
        setattr(OperatorSettings(), field, "other")


NAMESPACE = {"WSGATE_NAMESPACE": "wsgate-system"}


def test_the_root_namespace_is_the_operators_own_unless_named() -> None:
    assert ClusterSettings.load(NAMESPACE).root_namespace == "wsgate-system"
    assert ClusterSettings.load({**NAMESPACE, "WSGATE_ROOT_NAMESPACE": "platform"}).root_namespace == "platform"


def test_without_a_namespace_the_fault_names_it() -> None:
    with pytest.raises(ValidationError, match="namespace"):
        ClusterSettings.load({})


def test_the_revocations_redis_comes_before_the_general_one_and_from_files_too(tmp_path: Path) -> None:
    secret = tmp_path / "url"
    secret.write_text("redis://from-file\n")
    urls = {"REDIS_URL": "redis://general"}

    def url(**environ: str) -> str | None:
        found = ClusterSettings.load({**NAMESPACE, **environ}).redis_url
        return None if found is None else found.get_secret_value()

    assert url() is None
    assert url(**urls) == "redis://general"
    assert url(**urls, WSGATE_REVOCATION_REDIS_URL="redis://own") == "redis://own"
    assert url(**urls, WSGATE_REVOCATION_REDIS_URL_FILE=str(secret)) == "redis://from-file"


def test_private_networks_are_read_as_a_list() -> None:
    settings = ClusterSettings.load({**NAMESPACE, "WSGATE_ALLOW_CIDRS": "10.0.0.0/8, fd00::/8"})
    assert [str(network) for network in settings.allow_cidrs] == ["10.0.0.0/8", "fd00::/8"]
    with pytest.raises(ValidationError):
        ClusterSettings.load({**NAMESPACE, "WSGATE_ALLOW_CIDRS": "10.0.0.0/99"})


def test_the_clusters_domain_has_its_usual_default() -> None:
    assert ClusterSettings.load(NAMESPACE).cluster_domain == "cluster.local"
    named = {**NAMESPACE, "WSGATE_CLUSTER_DOMAIN": "corp.example"}
    assert ClusterSettings.load(named).cluster_domain == "corp.example"
    with pytest.raises(ValidationError):
        ClusterSettings.load({**NAMESPACE, "WSGATE_CLUSTER_DOMAIN": "cluster.local."})
