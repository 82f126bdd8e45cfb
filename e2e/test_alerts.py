"""The shipped alerts and dashboard by Prometheus' own tools, and the alarm for an operator that is gone."""

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.alert_cases import CASES, HEALTHY, HEALTHY_SECONDS, STEP_SECONDS, Case
from e2e.daemon import wait_until
from e2e.gateway import Gateway
from e2e.programs import program
from e2e.prometheus import OBSERVABILITY, RULES, SCRAPE_SECONDS, Prometheus

ALARM_SECONDS = 30.0
"""R8."""
PROMTOOL_SECONDS = 120


@pytest.fixture(autouse=True, scope="session")
def _programs(get_programs: Callable[..., None]) -> None:
    get_programs("promtool", "prometheus", "kubectl")


def promtool(*words: str | Path) -> str:
    """What it says; fails where it finds a fault."""
    command = [program("promtool"), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PROMTOOL_SECONDS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def unit_tests(file: Path, *tests: dict[str, Any]) -> str:
    """Run tests of the rules file."""
    document = {
        "rule_files": [str(RULES)],
        "evaluation_interval": f"{STEP_SECONDS}s",
        "tests": [{"interval": f"{STEP_SECONDS}s", **test} for test in tests],
    }
    file.write_text(yaml.safe_dump(document, sort_keys=False))
    return promtool("test", "rules", file)


def series(changed: dict[str, str]) -> list[dict[str, str]]:
    """The healthy ones with some changed."""
    return [{"series": name, "values": values} for name, values in {**HEALTHY, **changed}.items()]


def firing(matcher: str, at: int, count: int | None) -> dict[str, Any]:
    """At a second, so many alerts fire that match; None: no one."""
    samples = [] if count is None else [{"labels": "{}", "value": count}]
    expression = f'count(ALERTS{{alertstate="firing"{matcher}}})'
    return {"expr": expression, "eval_time": f"{at}s", "exp_samples": samples}


def test_the_rules_are_well_formed() -> None:
    assert f"{len(CASES)} rules found" in promtool("check", "rules", RULES)


def test_every_alert_has_a_case() -> None:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    assert [case.alert for case in CASES] == [rule["alert"] for group in groups for rule in group["rules"]]


def test_nothing_fires_while_all_is_well(tmp_path: Path) -> None:
    quiet = [firing("", at, None) for at in range(0, HEALTHY_SECONDS, 60)]
    unit_tests(tmp_path / "healthy.yml", {"input_series": series({}), "promql_expr_test": quiet})


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.alert)
def test_an_alert_fires_in_time_and_not_before(case: Case, tmp_path: Path) -> None:
    named = f',alertname="{case.alert}"'
    looks = [firing(named, case.quiet_at, None), firing(named, case.fires_at, 1)]
    unit_tests(tmp_path / "case.yml", {"input_series": series(dict(case.series)), "promql_expr_test": looks})


def test_prometheus_understands_every_expression_of_the_dashboard(tmp_path: Path) -> None:
    panels = json.loads((OBSERVABILITY / "grafana/wsgate.json").read_text())["panels"]
    expressions = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    rules = [
        {"record": f"panel:{number}", "expr": text.replace("$__rate_interval", "5m").replace("$instance", ".*")}
        for number, text in enumerate(expressions)
    ]
    file = tmp_path / "dashboard.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert f"{len(rules)} rules found" in promtool("check", "rules", file)


@pytest.mark.parametrize(
    ("folder", "kinds"),
    [
        (".", ["ConfigMap", "PodMonitor", "PodMonitor", "PrometheusRule"]),
        ("prometheus", ["ConfigMap"]),
    ],
)
def test_kustomize_makes_the_objects(folder: str, kinds: list[str]) -> None:
    command: list[str | Path] = [program("kubectl"), "kustomize", OBSERVABILITY / folder]
    made = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout
    documents = list(yaml.safe_load_all(made))
    assert sorted(document["kind"] for document in documents) == kinds
    assert {document["metadata"]["namespace"] for document in documents} == {"wsgate-system"}
    (config,) = (document for document in documents if document["kind"] == "ConfigMap")
    (name,) = config["data"]
    shipped = {"wsgate.json": OBSERVABILITY / "grafana/wsgate.json", "rules.yml": RULES}
    assert config["data"][name] == shipped[name].read_text()


def test_an_operator_that_is_gone_raises_an_alarm_within_30_seconds(gateway: Gateway, tmp_path: Path) -> None:
    components = (gateway.operator, *gateway.planes)
    prometheus = Prometheus(tmp_path, [component.admin_url.removeprefix("http://") for component in components])
    prometheus.daemon.start()
    try:
        prometheus.daemon.wait(prometheus.is_ready, "ready", 30)
        prometheus.daemon.wait(lambda: prometheus.value("count(up == 1)") == 3, "scrapes all", 30)
        # Its rules look at a gateway that is well.
        seen_at = time.monotonic() + 4 * SCRAPE_SECONDS
        prometheus.daemon.wait(lambda: time.monotonic() > seen_at, "has looked several times", ALARM_SECONDS)
        assert prometheus.firing() == set()
        assert prometheus.rule_faults() == []
        gateway.operator.kill()
        gone_at = time.monotonic()
        expected = {"WsgateOperatorAway", "WsgateOperatorNotScraped"}
        first: dict[str, float] = {}

        def both_fire() -> bool:
            for alert in prometheus.firing():
                first.setdefault(alert, time.monotonic() - gone_at)
            return expected <= first.keys()

        # The later one comes when the operator's key has run out, which is on the brink of the 30 seconds.
        wait_until(both_fire, "both alarms", 2 * ALARM_SECONDS)
        assert min(first.values()) <= ALARM_SECONDS
        assert first.keys() == expected
        gateway.operator.start()
        gateway.operator.wait_ready()
        wait_until(lambda: prometheus.firing() == set(), "all is well again", ALARM_SECONDS)
    finally:
        prometheus.daemon.kill()
