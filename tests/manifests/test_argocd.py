"""The health that Argo CD shows, by its own Lua version over objects as the API server stores them."""

from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from tests.manifests.health import ARGOCD, answer, health
from tests.manifests.objects import ROOT, documents, kustomization

Conditions = Mapping[str, tuple[str, str, str]]
"""Type to status, reason and message."""
GOOD: dict[str, dict[str, tuple[str, str, str]]] = {
    "WsRoute": {
        "Accepted": ("True", "Accepted", "accepted"),
        "ResolvedRefs": ("True", "ResolvedRefs", "resolved"),
        "Programmed": ("True", "Programmed", "in version 7"),
        "Ready": ("Unknown", "NoAcknowledgement", "no Redis, so pods do not acknowledge"),
    },
    "TokenRevocation": {
        "Accepted": ("True", "Accepted", "accepted"),
        "Published": ("True", "Published", "published"),
        "Active": ("True", "Active", "in force"),
    },
}
KINDS = sorted(GOOD)


def stored(
    kind: str, conditions: Conditions, *, generation: int = 2, observed: int = 2, only: bool = False
) -> dict[str, Any]:
    """An object whose status has the conditions; the others are good unless only."""
    merged = dict(conditions) if only else {**GOOD[kind], **conditions}
    return {
        "apiVersion": "wsgate.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": "a", "namespace": "team", "generation": generation, "uid": "6f6d"},
        "spec": {"gatewayName": "wsgate"},
        "status": {
            "observedGeneration": observed,
            "conditions": [
                {
                    "type": name,
                    "status": status,
                    "reason": reason,
                    "message": message,
                    "observedGeneration": observed,
                    "lastTransitionTime": "2026-01-01T00:00:00Z",
                }
                for name, (status, reason, message) in merged.items()
            ],
        },
    }


@pytest.mark.parametrize("kind", KINDS)
def test_an_object_that_stands_is_healthy(kind: str) -> None:
    status, message = health(kind, stored(kind, {}))
    assert status == "Healthy"
    assert message in ("in version 7", "published")


@pytest.mark.parametrize("kind", KINDS)
def test_an_object_that_no_operator_has_seen_is_progressing(kind: str) -> None:
    (definition,) = documents(ROOT / f"crds/{kind.lower()}s.wsgate.dev.yaml")
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    document = {"metadata": {"name": "a", "generation": 1}, "status": schema["properties"]["status"]["default"]}
    assert health(kind, document)[0] == "Progressing"
    assert {c["type"] for c in document["status"]["conditions"]} == GOOD[kind].keys()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "status", [None, {}, {"observedGeneration": 1}, {"observedGeneration": 1, "conditions": []}]
)
def test_a_status_with_gaps_is_progressing(kind: str, status: dict[str, Any] | None) -> None:
    document: dict[str, Any] = {"metadata": {"name": "a", "generation": 1}}
    if status is not None:
        document["status"] = status
    assert health(kind, document)[0] == "Progressing"


@pytest.mark.parametrize("kind", KINDS)
def test_a_verdict_on_an_older_generation_does_not_count(kind: str) -> None:
    refused: Conditions = {"Accepted": ("False", "Invalid", "bad")}
    for conditions in ({}, refused):
        document = stored(kind, conditions, generation=3, observed=2)
        assert health(kind, document) == (
            "Progressing",
            "the operator has not looked at the newest change yet",
        )


@pytest.mark.parametrize(
    ("kind", "name", "reason"),
    [
        ("WsRoute", "Accepted", "Conflict"),
        ("WsRoute", "Accepted", "HostClaimed"),
        ("WsRoute", "Accepted", "CapacityExceeded"),
        ("WsRoute", "ResolvedRefs", "RefNotPermitted"),
        ("TokenRevocation", "Accepted", "Invalid"),
    ],
)
def test_a_refused_object_is_degraded_and_says_why(kind: str, name: str, reason: str) -> None:
    # What follows from the refusal is not True either, and must not hide it.
    conditions: Conditions = {
        "Programmed": ("False", "NotAccepted", "-"),
        "Published": ("False", "NotAccepted", "-"),
        name: ("False", reason, "the way out"),
    }
    assert health(kind, stored(kind, conditions)) == ("Degraded", f"{reason}: the way out")


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("WsRoute", "Accepted"),
        ("WsRoute", "ResolvedRefs"),
        ("WsRoute", "Programmed"),
        ("TokenRevocation", "Accepted"),
        ("TokenRevocation", "Published"),
    ],
)
def test_an_object_on_its_way_is_progressing_and_says_what_it_waits_for(kind: str, name: str) -> None:
    expected = ("Progressing", f"{name}: not yet")
    assert health(kind, stored(kind, {name: ("Unknown", "Pending", "not yet")})) == expected
    rest = {other: condition for other, condition in GOOD[kind].items() if other != name}
    assert health(kind, stored(kind, rest, only=True)) == ("Progressing", f"{name}: not reported yet")


@pytest.mark.parametrize(("kind", "name"), [("WsRoute", "Programmed"), ("TokenRevocation", "Published")])
def test_what_could_not_be_published_yet_is_progressing(kind: str, name: str) -> None:
    expected = ("Progressing", f"{name}: Redis is away")
    assert health(kind, stored(kind, {name: ("False", "Failed", "Redis is away")})) == expected


def test_a_route_is_healthy_before_every_pod_has_acknowledged_it() -> None:
    assert health("WsRoute", stored("WsRoute", {"Ready": ("False", "Waiting", "1 of 2")}))[0] == "Healthy"


@pytest.mark.parametrize("reason", ["NoRoutesInScope", "Expired"])
def test_a_published_revocation_that_meets_nothing_is_healthy_and_says_so(reason: str) -> None:
    document = stored("TokenRevocation", {"Active": ("False", reason, "why")})
    assert health("TokenRevocation", document) == ("Healthy", f"{reason}: why")


@pytest.mark.parametrize("kind", KINDS)
def test_a_condition_without_reason_and_message_breaks_nothing(kind: str) -> None:
    for status in ("False", "Unknown", "True"):
        document = stored(kind, {})
        for condition in document["status"]["conditions"]:
            condition.pop("reason")
            condition.pop("message")
            condition["status"] = status
        assert answer(kind, document)["status"]


def test_both_checks_are_built_into_argo_cds_own_config_map() -> None:
    (generated,) = kustomization(ARGOCD)["configMapGenerator"]
    assert (generated["name"], generated["namespace"]) == ("argocd-cm", "argocd")
    assert generated["options"] == {
        "disableNameSuffixHash": True,
        "labels": {"app.kubernetes.io/part-of": "argocd"},
    }
    prefix = "resource.customizations.health.wsgate.dev_"
    assert generated["files"] == [f"{prefix}{kind}={kind.lower()}.lua" for kind in ("WsRoute", "TokenRevocation")]


def test_a_script_survives_the_way_through_yaml() -> None:
    # Kustomize writes a block scalar only where no line ends in a space.
    for path in sorted(ARGOCD.glob("*.lua")):
        text = path.read_text()
        assert yaml.safe_load(yaml.safe_dump({"a": text}))["a"] == text
        assert not [line for line in text.splitlines() if line != line.rstrip() or "\t" in line]
