"""The metrics page: the original's names, closed label sets, a registry of its own."""

import re
from math import isnan

import pytest

from wsgate_dataplane.identity.stores.shared import Finding
from wsgate_dataplane.outcomes.table import Reason
from wsgate_dataplane.revocation import view
from wsgate_dataplane.stores.fault import Cause
from wsgate_dataplane.telemetry.identity_labels import IdentityLabels
from wsgate_dataplane.telemetry.metrics import CACHE_FINDINGS, CHANNELS, REDIS_CAUSES, Metrics

ORIGINAL = {
    "ws_connections_total": set[str](),
    "ws_auth_failures_total": set[str](),
    "ws_auth_success_total": {"sub", "preferred_username"},
    "ws_active_sessions": set[str](),
    "ws_connection_duration_seconds": set[str](),
    "ws_revocations_total": set[str](),
    "ws_protocol_connections_total": {"protocol"},
    "ws_proxy_errors_total": {"protocol"},
    "ws_proxy_retries_total": {"protocol"},
    "ws_circuit_open_total": {"protocol"},
    "ws_upstream_health_success_total": set[str](),
    "ws_upstream_health_failure_total": set[str](),
    "ws_rate_limit_violations_total": set[str](),
}
"""The thirteen of the original gateway's README, with the labels that it had."""
OUR_LABELS = {"ws_auth_failures_total": {"reason"}}
NEW = {
    "ws_closes_total",
    "ws_refusals_total",
    "ws_messages_total",
    "ws_bytes_total",
    "ws_revocation_to_close_seconds",
    "ws_handshake_seconds",
    "wsgate_config_version",
    "wsgate_config_last_reload_timestamp_seconds",
    "wsgate_config_reload_failures_total",
    "wsgate_revocation_records",
    "wsgate_revocation_confirmed_timestamp_seconds",
    "wsgate_revocation_fenced",
    "wsgate_revocation_redis_faults_total",
    "wsgate_operator_present",
    "wsgate_roles_left_out_total",
    "wsgate_proxy_headers_refused_total",
    "wsgate_rate_limit_pauses_total",
    "wsgate_rate_limit_pods",
    "wsgate_rate_limit_redis_faults_total",
    "wsgate_token_cache_entries",
    "wsgate_token_cache_lookups_total",
    "wsgate_token_cache_store_faults_total",
    "wsgate_token_cache_store_up",
}


def value(metrics: Metrics, sample: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(sample, labels)


def test_the_page_has_the_original_names_and_the_new_ones_and_no_other() -> None:
    page = Metrics().exposition().decode()
    assert set(re.findall(r"^# TYPE (\S+)", page, re.MULTILINE)) == ORIGINAL.keys() | NEW


def labels_of(metrics: Metrics) -> dict[str, set[str]]:
    """The labels of each family, as its name stands on the page."""
    return {
        f"{family.name}_total" if family.type == "counter" else family.name: {
            label for sample in family.samples for label in sample.labels
        }
        - {"le"}
        for family in metrics.registry.collect()
    }


def test_all_thirteen_metrics_of_the_original_gateway_are_there_with_its_labels() -> None:
    found = labels_of(Metrics(IdentityLabels(1, "plain")))
    assert len(ORIGINAL) == 13
    assert {name: found[name] - OUR_LABELS.get(name, set()) for name in ORIGINAL} == ORIGINAL


def test_who_the_users_are_is_no_label_unless_it_is_asked_for() -> None:
    metrics = Metrics()
    metrics.authenticated({"sub": "alice", "preferred_username": "al"})
    assert value(metrics, "ws_auth_success_total") == 1
    assert labels_of(metrics)["ws_auth_success_total"] == set()


def test_identities_that_are_asked_for_are_labels_up_to_the_limit() -> None:
    metrics = Metrics(IdentityLabels(1, "plain"))
    assert value(metrics, "ws_auth_success_total", sub="other", preferred_username="") == 0
    for subject in ("alice", "bob", "alice", "carol"):
        metrics.authenticated({"sub": subject, "preferred_username": subject.title()})
    assert value(metrics, "ws_auth_success_total", sub="alice", preferred_username="Alice") == 2
    assert value(metrics, "ws_auth_success_total", sub="other", preferred_username="") == 2
    assert value(metrics, "ws_auth_success_total", sub="bob", preferred_username="Bob") is None


def test_label_values_exist_before_the_first_event() -> None:
    metrics = Metrics()
    assert value(metrics, "ws_refusals_total", reason="token-expired") == 0
    assert value(metrics, "ws_closes_total", reason="token-revoked") == 0
    assert value(metrics, "ws_protocol_connections_total", protocol="mqtt") == 0
    assert value(metrics, "ws_bytes_total", direction="to_client") == 0
    assert value(metrics, "wsgate_config_version", content="revocations") == 0


def test_a_reason_that_cannot_occur_somewhere_has_no_series_there() -> None:
    metrics = Metrics()
    assert value(metrics, "ws_refusals_total", reason="idle-timeout") is None
    assert value(metrics, "ws_closes_total", reason="method-not-allowed") is None
    assert value(metrics, "ws_auth_failures_total", reason="route-not-found") is None


@pytest.mark.parametrize(
    ("reason", "failures"),
    [(Reason.TOKEN_EXPIRED, 1), (Reason.ROUTE_NOT_FOUND, None), (Reason.KEYS_UNAVAILABLE, 1)],
)
def test_a_refusal_counts_as_failed_authentication_only_for_the_token(
    reason: Reason, failures: int | None
) -> None:
    metrics = Metrics()
    metrics.refused(reason)
    assert value(metrics, "ws_refusals_total", reason=reason) == 1
    assert value(metrics, "ws_auth_failures_total", reason=reason) == failures


def test_a_close_counts_its_reason_and_its_duration() -> None:
    metrics = Metrics()
    metrics.closed(Reason.CLIENT_CLOSED, duration_seconds=12, moved=(700, 500, 7, 5))
    assert value(metrics, "ws_closes_total", reason="client-closed") == 1
    assert value(metrics, "ws_connection_duration_seconds_sum") == 12


def test_an_applied_version_and_its_time_are_shown() -> None:
    metrics = Metrics()
    metrics.config_applied("routes", version=7, timestamp_seconds=1_700_000_000)
    assert value(metrics, "wsgate_config_version", content="routes") == 7
    assert value(metrics, "wsgate_config_last_reload_timestamp_seconds") == 1_700_000_000


def test_the_labels_are_the_channels_and_causes_that_there_are() -> None:
    assert set(CHANNELS) == set(view.CHANNELS)
    assert set(REDIS_CAUSES) == {cause.value for cause in Cause} - {Cause.INBOX_FULL, Cause.OPERATOR_AWAY}
    assert set(CACHE_FINDINGS) == set(Finding)


def test_a_channel_that_is_not_in_use_is_not_a_number_and_fires_no_alert() -> None:
    metrics = Metrics()
    metrics.revocation_channel("file", 3, None)
    name = "wsgate_revocation_confirmed_timestamp_seconds"
    assert value(metrics, name, channel="file") == 0
    assert value(metrics, "wsgate_revocation_records", channel="file") == 3
    assert isnan(value(metrics, name, channel="redis") or 0)
    assert isnan(value(metrics, "wsgate_operator_present") or 0)


def test_two_gateways_in_one_process_do_not_share_counters() -> None:
    one, other = Metrics(), Metrics()
    one.asked(0.1)
    assert value(other, "ws_connections_total") == 0


def test_defect_16_no_label_holds_what_a_client_chooses() -> None:
    labels = {
        label for family in Metrics().registry.collect() for sample in family.samples for label in sample.labels
    }
    assert labels == {"reason", "protocol", "direction", "content", "le", "channel", "cause", "finding"}
