"""The page for users of the original gateway names everything that the original's README names."""

import re
from pathlib import Path

from tests.compose.test_env_example import ORIGINAL
from wsgate_dataplane.telemetry.metrics import Metrics

PAGE = (Path(__file__).parents[2] / "docs/howto/replace-the-original-gateway.md").read_text()
METRICS = {
    "ws_connections_total",
    "ws_auth_failures_total",
    "ws_auth_success_total",
    "ws_active_sessions",
    "ws_connection_duration_seconds",
    "ws_revocations_total",
    "ws_protocol_connections_total",
    "ws_proxy_errors_total",
    "ws_proxy_retries_total",
    "ws_circuit_open_total",
    "ws_upstream_health_success_total",
    "ws_upstream_health_failure_total",
    "ws_rate_limit_violations_total",
}


def first_cells(heading: str) -> list[str]:
    section = PAGE.partition(f"### {heading}\n")[2].partition("\n##")[0]
    return [line.split(" | ")[0].strip("| ") for line in section.splitlines() if line.startswith("| `")]


def test_every_variable_of_the_original_has_a_row_with_its_default() -> None:
    section = PAGE.partition("### Environment variables\n")[2].partition("\n##")[0]
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \| ([^|]*?) \|", section, re.MULTILINE))
    assert rows.keys() == ORIGINAL.keys()
    for name, default in ORIGINAL.items():
        assert (default or "unset") in rows[name].replace("`", ""), name


def test_every_metric_of_the_original_has_a_row_and_exists() -> None:
    found = {re.sub(r"[`{].*", "", cell.strip("`")) for cell in first_cells("Metrics")}
    assert found == METRICS
    families = {family.name for family in Metrics().registry.collect()}
    assert {name.removesuffix("_total") for name in METRICS} <= families
