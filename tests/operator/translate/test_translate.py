"""Objects in, routes, records and verdicts out: golden files, and what must hold for all inputs.

UPDATE_GOLDEN=1 writes the .out.yaml files anew.
"""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.operator.objects import STANDALONE, revocation, wsroute
from wsgate_operator.sources.file_content import read_content
from wsgate_operator.translate.options import Options
from wsgate_operator.translate.translate import Translation, translate
from wsgate_operator.translate.verdict import Reason

TESTDATA = Path(__file__).parent / "testdata"
INPUTS = sorted(TESTDATA.glob("*.in.yaml"))


def translated(path: Path) -> str:
    """The outcome of one input file; a document of kind Options changes the options."""
    text = path.read_text()
    changes = [found["options"] for found in yaml.safe_load_all(text) if "options" in found]
    options = Options(**{"root_namespace": "platform", **(changes[0] if changes else {})})
    content = read_content(path.name, text, options.root_namespace)
    assert content.problems == ()
    objects = [placed.value for placed in content.objects]
    translation = translate(objects, options, legacy=content.legacy)
    outcome: dict[str, Any] = {
        "routes": [route.to_document() for route in translation.routes],
        "revocations": [record.to_document() for record in translation.revocations],
        "verdicts": [
            {
                "object": f"{verdict.kind} {verdict.key}",
                "reason": str(verdict.reason),
                "message": verdict.message,
                **({"warnings": list(verdict.warnings)} if verdict.warnings else {}),
            }
            for verdict in translation.verdicts
        ],
    }
    return yaml.safe_dump(outcome, sort_keys=False, width=100, allow_unicode=True)


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: path.name.removesuffix(".in.yaml"))
def test_an_input_gives_its_golden_outcome(path: Path) -> None:
    golden = path.with_name(path.name.replace(".in.", ".out."))
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(translated(path))
    assert golden.read_text() == translated(path)


def test_every_golden_outcome_has_an_input() -> None:
    outcomes = {path.name.removesuffix(".out.yaml") for path in TESTDATA.glob("*.out.yaml")}
    assert outcomes == {path.name.removesuffix(".in.yaml") for path in INPUTS}


ROUTES = st.builds(
    wsroute,
    name=st.sampled_from(["a", "b", "c", "d", "e", "f"]),
    namespace=st.sampled_from(["default", "x", "y"]),
    created=st.none() | st.sampled_from(["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"]),
    prefix=st.sampled_from(["/", "/a", "/a/b"]),
    hostnames=st.lists(st.sampled_from(["a.z", "*.z", "b.a.z", "*.a.z"]), max_size=2, unique=True),
)


@given(st.lists(ROUTES, unique_by=lambda route: route.key), st.randoms(use_true_random=False))
def test_the_order_of_the_objects_does_not_count(routes: list[Any], random: Any) -> None:
    shuffled = list(routes)
    random.shuffle(shuffled)
    assert translate(shuffled, STANDALONE) == translate(routes, STANDALONE)


@given(st.lists(ROUTES, unique_by=lambda route: route.key))
def test_no_two_routes_share_host_and_prefix(routes: list[Any]) -> None:
    served = translate(routes, STANDALONE).routes
    pairs = [(host, route.prefix) for route in served for host in route.hostnames or ("",)]
    assert len(pairs) == len(set(pairs))


@given(st.lists(ROUTES, unique_by=lambda route: route.key))
def test_every_object_gets_one_verdict_and_is_served_only_when_accepted(routes: list[Any]) -> None:
    translation = translate(routes, STANDALONE)
    assert sorted(verdict.key for verdict in translation.verdicts) == sorted(route.key for route in routes)
    accepted = [verdict.key for verdict in translation.verdicts if verdict.accepted]
    assert accepted == [route.key for route in translation.routes]


def test_an_object_that_turned_invalid_keeps_its_last_accepted_version() -> None:
    good = translate([wsroute(), revocation(issuer="i", issuedBefore="2026-01-01T00:00:00Z")], STANDALONE)
    bad_route = wsroute(protocol="MQTT", upstream="ws://other")
    elsewhere = Options(root_namespace="platform", has_environment_provider=True)
    bad_revocation = revocation(issuer="i", issuedBefore="2026-02-02T00:00:00Z")
    now = translate([bad_route, bad_revocation], elsewhere, previous=good)
    assert (now.routes, now.revocations) == (good.routes, good.revocations)
    assert [verdict.reason for verdict in now.verdicts] == [Reason.INVALID, Reason.INVALID]
    assert all("last accepted version stays in force" in verdict.message for verdict in now.verdicts)


def test_a_kept_version_gives_way_to_an_older_route_at_its_place() -> None:
    good = translate([wsroute("b", created="2026-01-02T00:00:00Z", prefix="/x")], STANDALONE)
    older = wsroute("a", created="2026-01-01T00:00:00Z", prefix="/x")
    bad = wsroute("b", created="2026-01-02T00:00:00Z", prefix="/y", protocol="MQTT")
    assert [route.key for route in translate([older, bad], STANDALONE, previous=good).routes] == ["default/a"]


def test_a_deleted_object_is_not_kept_from_before() -> None:
    good = translate([wsroute(), revocation(jti="x")], STANDALONE)
    assert translate([], STANDALONE, previous=good) == Translation()
