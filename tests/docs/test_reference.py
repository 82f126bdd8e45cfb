"""The reference pages that are written by hand say what the code says."""

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml

from wsgate_contract.revocation import RevocationRecord
from wsgate_contract.revocation_log import Keys
from wsgate_dataplane.admin.answers import STATUSES
from wsgate_dataplane.admin.app import make_admin_app
from wsgate_dataplane.admin.parts import AdminParts
from wsgate_dataplane.telemetry.metrics import Metrics
from wsgate_operator.resources.metadata import Condition
from wsgate_operator.settings import ClusterSettings
from wsgate_operator.translate.conditions import Rollout, revocation_conditions, route_conditions
from wsgate_operator.translate.verdict import RefFault, Verdict, VerdictReason

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs/reference"
BASE = ROOT / "manifests/base"
REASONS_OF_ROUTES_ONLY = (
    VerdictReason.REF_NOT_PERMITTED,
    VerdictReason.INVALID_CERTIFICATE_REF,
    VerdictReason.CONFLICT,
    VerdictReason.HOST_CLAIMED,
    VerdictReason.CAPACITY_EXCEEDED,
)
REASONS_OF_SECRETS = (VerdictReason.INVALID_CERTIFICATE_REF, VerdictReason.CAPACITY_EXCEEDED)
ROLLOUTS = tuple(
    Rollout(is_written=is_written, version=1, fault=fault, pods=pods, acknowledged_pods=acknowledged)
    for is_written, fault, pods, acknowledged in itertools.product(
        (True, False), ("", "fault"), (None, 0, 2), (0, 2)
    )
)


def rows(page: str, heading: str = "") -> Iterator[list[str]]:
    """The cells of the tables below a heading of a page, without the titles."""
    text = (REFERENCE / page).read_text(encoding="utf-8").partition(f"## {heading}\n" if heading else "\n")[2]
    for block in re.findall(r"(?:^\|.*\n)+", text.partition("\n## ")[0] if heading else text, re.MULTILINE):
        for line in block.splitlines()[2:]:
            yield [cell.strip().strip("`") for cell in line.strip("|").split(" | ")]


def shown(conditions: tuple[Condition, ...]) -> set[tuple[str, ...]]:
    """What a page tells of them."""
    return {(each.type, each.status, each.reason) for each in conditions}


def told(kind: str) -> set[tuple[str, ...]]:
    """What the page tells."""
    return {tuple(row[:3]) for row in rows("conditions.md", kind)}


def test_the_conditions_of_a_route_are_those_that_the_operator_writes() -> None:
    found: set[tuple[str, ...]] = set()
    for reason, is_readable, rollout in itertools.product(VerdictReason, (True, False), ROLLOUTS):
        forbidden = "why" if reason is VerdictReason.REF_NOT_PERMITTED else None
        unresolved = RefFault(reason, "why") if reason in REASONS_OF_SECRETS else None
        verdict = Verdict("WsRoute", "a/b", reason, "why", (), forbidden, unresolved, is_readable)
        found |= shown(route_conditions(verdict, 1, rollout))
    assert told("WsRoute") == found


def test_the_conditions_of_a_revocation_are_those_that_the_operator_writes() -> None:
    found: set[tuple[str, ...]] = set()
    records = [None, *(RevocationRecord(id="a/b", namespace="a", expires_at=end) for end in (None, 1, 99))]
    reasons = set(VerdictReason).difference(REASONS_OF_ROUTES_ONLY)
    for reason, rollout, record, served in itertools.product(reasons, ROLLOUTS, records, ((), ("a",))):
        verdict = Verdict("TokenRevocation", "a/b", reason, "why")
        found |= shown(revocation_conditions(verdict, 1, rollout, record=record, served_namespaces=served, now=50))
    assert told("TokenRevocation") == found


def test_the_admin_pages_are_those_that_are_served() -> None:
    parts = cast(AdminParts, SimpleNamespace(token=None, registry=None))
    app = make_admin_app(Metrics(), lambda: None, parts)
    (api,) = app._subapps
    routes = [*app.router.routes(), *api.router.routes()]
    found = {
        (route.method, route.resource.canonical) for route in routes if route.resource and route.method != "HEAD"
    }
    served = {each for each in found if each[0] != "*"}
    assert {(row[0], row[1]) for row in rows("admin-api.md") if row[0] in ("GET", "POST", "PUT")} == served


def test_the_admin_errors_are_all_told_with_their_status() -> None:
    assert {(row[0], row[1]) for row in rows("admin-api.md", "Errors")} == {
        (str(fault), str(status)) for fault, status in STATUSES.items()
    }


def test_the_redis_keys_are_those_of_the_contract() -> None:
    keys = Keys("wsgate")
    assert {row[0] for row in rows("redis.md", "Keys")} == {
        keys.revocations,
        keys.log,
        keys.inbox,
        keys.operator,
        keys.pod("<name>"),
        keys.wake,
    }


def test_the_redis_users_are_those_of_the_trial() -> None:
    page = (REFERENCE / "redis.md").read_text(encoding="utf-8")
    assert f"```\n{(ROOT / 'manifests/components/trial-redis/users.acl').read_text()}```" in page


def test_the_rights_are_those_that_the_manifests_grant() -> None:
    granted = set()
    for role in manifest_roles():
        for rule in role["rules"]:
            names = ", ".join(rule.get("resourceNames", ("all",)))
            resources, verbs = ", ".join(rule["resources"]), ", ".join(rule["verbs"])
            group = rule["apiGroups"][0] or "core"
            granted.add((f"{role['kind']} {role['metadata']['name']}", group, resources, names, verbs))
    listed = {
        *((row[0], row[2], row[3], row[4], row[5]) for row in plain("The operator")),
        *((row[0], row[2], row[3], "all", row[4]) for row in plain("People")),
    }
    assert listed == granted


def plain(heading: str) -> Iterator[list[str]]:
    """Rows without the marks of code."""
    return ([cell.replace("`", "") for cell in row] for row in rows("rbac.md", heading))


def manifest_roles() -> Iterator[dict[str, Any]]:
    """All Roles and ClusterRoles of manifests/base."""
    for file in sorted(BASE.glob("*.yaml")):
        for document in yaml.safe_load_all(file.read_text(encoding="utf-8")):
            if document["kind"] in ("Role", "ClusterRole"):
                yield document


@pytest.mark.parametrize(
    "name", ["WSGATE_REVOCATION_REDIS_URL_FILE", "WSGATE_REVOCATION_REDIS_URL", "REDIS_URL_FILE", "REDIS_URL"]
)
def test_each_name_of_the_redis_url_is_read(name: str, tmp_path: Path) -> None:
    url = "redis://there"
    (tmp_path / "url").write_text(url)
    value = str(tmp_path / "url") if name.endswith("_FILE") else url
    settings = ClusterSettings.load({"WSGATE_NAMESPACE": "wsgate-system", name: value})
    assert settings.redis_url is not None
    assert settings.redis_url.get_secret_value() == url


def test_each_name_of_the_operators_settings_is_read() -> None:
    given = {
        "WSGATE_ROOT_NAMESPACE": "root",
        "WSGATE_GATEWAY_NAME": "internal",
        "WSGATE_HOST_OWNERSHIP": "Shared",
        "WSGATE_NAMESPACE": "there",
        "WSGATE_TENANT_DESTINATIONS": "Any",
        "WSGATE_ALLOW_CIDRS": "10.0.0.0/8",
        "WSGATE_CLUSTER_DOMAIN": "example.org",
        "WSGATE_HAS_ENVIRONMENT_PROVIDER": "true",
        "WSGATE_REVOCATION_REDIS_URL": "redis://there",
        "WSGATE_REDIS_EVICTION": "Warn",
        "WSGATE_RESYNC_SECONDS": "60",
        "WSGATE_REVOCATION_CONFIRM_SECONDS": "3",
        "WSGATE_SECRET_POLL_SECONDS": "60",
        "WSGATE_SERVICE_ACCOUNT": "operator",
        "WSGATE_ADMIN_LISTEN": ":1",
        "WSGATE_LOG_LEVEL": "DEBUG",
    }
    assert {row[0] for row in rows("configuration.md", "Operator in a cluster")} == given.keys()
    usual = ClusterSettings.load({"WSGATE_NAMESPACE": "wsgate-system"})
    changed = ClusterSettings.load(given)
    assert [name for name in ClusterSettings.model_fields if getattr(usual, name) == getattr(changed, name)] == []
