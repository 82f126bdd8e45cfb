"""Dashboard and alerts name the metrics that there are, with the labels they have, and no others."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import pytest
import yaml
from prometheus_client import Histogram
from prometheus_client.metrics import MetricWrapperBase

from tests.manifests.objects import BASE, MANIFESTS, ROOT, documents, objects
from tests.manifests.promql import named
from wsgate_dataplane.telemetry.metrics import Metrics
from wsgate_operator.telemetry.metrics import Metrics as OperatorMetrics

OBSERVABILITY = MANIFESTS / "observability"
ALERTS_PAGE = "docs/howto/watch-the-gateway.md"
TARGET_LABELS = {"instance"}
"""What Prometheus itself adds wherever it scrapes."""
GRAFANA = re.compile(r"\$__rate_interval")
SEVERITIES = {"critical", "warning", "info"}


@cache
def samples() -> Mapping[str, tuple[MetricWrapperBase, frozenset[str]]]:
    """Each sample name that the two pages can have, with its family and labels."""
    found: dict[str, tuple[MetricWrapperBase, frozenset[str]]] = {}
    pages = Metrics().registry, OperatorMetrics().registry
    for metric in (each for page in pages for each in page._collector_to_names):
        assert isinstance(metric, MetricWrapperBase)
        # Before there is a value, the library tells a label's name nowhere else.
        labels = frozenset(metric._labelnames)
        (family,) = metric.describe()
        if isinstance(metric, Histogram):
            found[f"{family.name}_bucket"] = metric, labels | {"le"}
            found |= {f"{family.name}_{kind}": (metric, labels) for kind in ("sum", "count")}
        else:
            found[f"{family.name}_total" if family.type == "counter" else family.name] = metric, labels
    return found


def rules() -> list[dict[str, Any]]:
    """All alerts."""
    text = (OBSERVABILITY / "prometheus/rules.yml").read_text()
    return [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((OBSERVABILITY / "grafana/wsgate.json").read_text())
    return found


def panels() -> list[dict[str, Any]]:
    """Those that show something."""
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def expressions() -> Iterator[Any]:
    for rule in rules():
        yield pytest.param(rule["expr"], id=rule["alert"])
    for panel in panels():
        for target in panel["targets"]:
            yield pytest.param(target["expr"], id=f"{panel['title']} {target['refId']}")


def values_of(metric: MetricWrapperBase, label: str) -> set[str]:
    """The values of a label that exist from the start."""
    return {
        sample.labels[label] for family in metric.collect() for sample in family.samples if label in sample.labels
    }


@pytest.mark.parametrize("expression", list(expressions()))
def test_an_expression_names_only_metrics_and_labels_that_there_are(expression: str) -> None:
    found = named(GRAFANA.sub("5m", expression))
    assert found.metrics
    assert found.metrics <= samples().keys()
    labels = frozenset().union(*(samples()[metric][1] for metric in found.metrics)) | TARGET_LABELS
    assert found.grouping <= labels
    for metric, label, operator, value in found.matchers:
        of_metric, own = samples()[metric]
        assert label in own | TARGET_LABELS
        if label in own and (values := values_of(of_metric, label)):
            pattern = value if "~" in operator else re.escape(value)
            assert any(re.fullmatch(pattern, each) for each in values), f"no {label} is {value}"
            for branch in value.split("|") if "~" in operator else ():
                assert any(re.fullmatch(branch, each) for each in values), f"no {label} is {branch}"


def test_the_dashboard_shows_every_metric_that_there_is() -> None:
    shown = {
        metric for panel in panels() for target in panel["targets"] for metric in named(target["expr"]).metrics
    }
    families = {id(metric): name for name, (metric, _) in samples().items()}
    shown_families = {id(samples()[name][0]) for name in shown}
    assert sorted(name for key, name in families.items() if key not in shown_families) == []


def test_every_alert_says_how_bad_it_is_and_where_to_read_on() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names)
    for rule in rules():
        assert rule["labels"]["severity"] in SEVERITIES
        assert rule["annotations"]["runbook_url"] == f"{ALERTS_PAGE}#alerts"
        for label in re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]):
            assert re.search(rf"\b{label}\b", rule["expr"]) or label in TARGET_LABELS | {"kind"}


def test_the_table_of_alerts_has_exactly_the_alerts_with_their_severity() -> None:
    page = (ROOT / ALERTS_PAGE).read_text().partition("\n## Alerts\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|", page, re.MULTILINE)
    assert rows == [(rule["alert"], rule["labels"]["severity"]) for rule in rules()]


def test_the_prometheus_rule_holds_the_rules_file() -> None:
    (rule,) = documents(OBSERVABILITY / "prometheus-operator/prometheusrule.yaml")
    assert rule["spec"] == yaml.safe_load((OBSERVABILITY / "prometheus/rules.yml").read_text())


def test_what_must_be_told_within_30_seconds_is_scraped_and_looked_at_every_five() -> None:
    (group, *_) = yaml.safe_load((OBSERVABILITY / "prometheus/rules.yml").read_text())["groups"]
    assert group["interval"] == "5s"
    assert {"WsgateOperatorAway", "WsgateOperatorNotScraped"} <= {rule["alert"] for rule in group["rules"]}
    for monitor in documents(OBSERVABILITY / "prometheus-operator/podmonitors.yaml"):
        assert [each["interval"] for each in monitor["spec"]["podMetricsEndpoints"]] == ["5s"]


def test_a_monitor_finds_the_pods_of_its_component_and_their_port() -> None:
    deployments = {o["metadata"]["name"]: o for o in objects(BASE) if o["kind"] == "Deployment"}
    monitors = documents(OBSERVABILITY / "prometheus-operator/podmonitors.yaml")
    assert {monitor["metadata"]["name"] for monitor in monitors} == deployments.keys()
    for monitor in monitors:
        pod = deployments[monitor["metadata"]["name"]]["spec"]["template"]
        assert monitor["spec"]["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
        ports = {port["name"] for port in pod["spec"]["containers"][0]["ports"]}
        assert {each["port"] for each in monitor["spec"]["podMetricsEndpoints"]} <= ports


def test_the_dashboard_needs_no_data_source_of_a_certain_name() -> None:
    board = dashboard()
    variables = {each["name"] for each in board["templating"]["list"]}
    text = json.dumps(board)
    used = set(re.findall(r"\$\{?(\w+)", text)) - {"__rate_interval", "__all"}
    assert used == variables == {"datasource", "instance"}
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    for panel in panels():
        assert panel["description"].endswith(".")
        assert panel["datasource"]["uid"] == "${datasource}"
    taken = [
        (x, y)
        for panel in board["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(taken)) == len(taken), "panels overlap"
    assert max(x for x, _ in taken) < 24


@pytest.mark.parametrize(
    ("expression", "metrics", "grouping"),
    [
        ('sum by (a, b) (rate(x_total{c="d, e",f=~"g|h"}[5m])) > 0.5', {"x_total"}, {"a", "b"}),
        ("x < bool on () group_left () max(y offset 10m)", {"x", "y"}, set()),
        ("absent(x) and unknown(y)", {"x", "y", "unknown"}, set()),
    ],
)
def test_the_reader_of_expressions_itself_finds_what_is_named(
    expression: str, metrics: set[str], grouping: set[str]
) -> None:
    found = named(expression)
    assert set(found.metrics) == metrics
    assert set(found.grouping) == grouping


def test_the_reader_of_expressions_itself_finds_matchers() -> None:
    found = named('rate(x{a="b, c",d=~"e|f"}[5m]) / x')
    assert found.matchers == {("x", "a", "=", "b, c"), ("x", "d", "=~", "e|f")}
    with pytest.raises(ValueError, match="no matcher"):
        named("x{a}")
