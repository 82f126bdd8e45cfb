"""The operator's settings come from the environment, or from strict defaults."""

import pytest
from pydantic import ValidationError

from wsgate_operator.settings import OperatorSettings


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
