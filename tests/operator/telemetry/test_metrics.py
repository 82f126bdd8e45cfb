"""The page for Prometheus."""

from prometheus_client.parser import text_string_to_metric_families

from wsgate_operator.telemetry.metrics import CONTENT_TYPE, Metrics


def test_the_page_can_be_read_and_all_names_begin_alike() -> None:
    metrics = Metrics()
    metrics.api_calls.labels("list", "200").inc()
    families = list(text_string_to_metric_families(metrics.exposition().decode()))
    assert all(family.name.startswith("wsgate_operator_") for family in families)
    assert all(family.documentation.endswith(".") for family in families)
    assert CONTENT_TYPE.startswith("text/plain")


def test_no_sample_tells_when_it_was_made() -> None:
    assert b"_created" not in Metrics().exposition()


def test_two_operators_in_one_process_do_not_share_their_numbers() -> None:
    first, second = Metrics(), Metrics()
    first.routes_version.set(7)
    assert second.registry.get_sample_value("wsgate_operator_routes_version") == 0
