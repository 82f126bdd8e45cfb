"""Objects in, routes, records and verdicts out: golden files, and what must hold for all inputs.

UPDATE_GOLDEN=1 writes the .out.yaml files anew.
"""

import os
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.operator.objects import STANDALONE, revocation, wsroute
from wsgate_operator.sources.file_content import read_content
from wsgate_operator.translate.capacity import fit_routes
from wsgate_operator.translate.options import Options
from wsgate_operator.translate.translate import Translation, translate
from wsgate_operator.translate.verdict import Unreadable, Verdict, VerdictReason

TESTDATA = Path(__file__).parent / "testdata"
INPUTS = sorted(TESTDATA.glob("*.in.yaml"))


def translated(path: Path) -> str:
    """The outcome of one input file.

    A document of kind Options changes the options, names unreadable objects, and says how many routes fit.
    """
    text = path.read_text()
    settings: Mapping[str, Any] = next((each for each in yaml.safe_load_all(text) if "options" in each), {})
    options = options_of(settings.get("options") or {})
    content = read_content(path.name, text, options.root_namespace)
    assert content.problems == ()
    objects = [placed.value for placed in content.objects]
    unreadable = [Unreadable(**each) for each in settings.get("unreadable", ())]
    translation = translate(objects, options, legacy=content.legacy, unreadable=unreadable)
    fits = settings.get("fits", len(translation.routes))
    translation = fit_routes(translation, len, lambda route: 1, options.root_namespace, fits)
    routes = sorted(translation.routes, key=lambda route: route.key)
    records = sorted(translation.revocations, key=lambda record: record.id)
    outcome: dict[str, Any] = {
        "routes": [route.to_document() for route in routes],
        "revocations": [record.to_document() for record in records],
        "verdicts": [verdict_document(verdict) for verdict in translation.verdicts],
    }
    return yaml.safe_dump(outcome, sort_keys=False, width=100, allow_unicode=True)


def options_of(given: Mapping[str, Any]) -> Options:
    changes: dict[str, Any] = dict(given)
    if "allow_cidrs" in changes:
        changes["allow_cidrs"] = tuple(map(ip_network, changes["allow_cidrs"]))
    if "namespaces" in changes:
        changes["namespaces"] = frozenset(changes["namespaces"])
    return Options(**{"root_namespace": "platform", **changes})


def verdict_document(verdict: Verdict) -> dict[str, Any]:
    document: dict[str, Any] = {
        "object": f"{verdict.kind} {verdict.key}",
        "reason": str(verdict.reason),
        "message": verdict.message,
    }
    if verdict.warnings:
        document["warnings"] = list(verdict.warnings)
    if verdict.forbidden not in (None, verdict.message):
        document["forbidden"] = verdict.forbidden
    return document


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
    assert accepted == sorted(route.key for route in translation.routes)


def test_an_object_that_turned_invalid_keeps_its_last_accepted_version() -> None:
    good_route = wsroute(hostnames=["chat.test"])
    good = translate([good_route, revocation(issuer="i", issuedBefore="2026-01-01T00:00:00Z")], STANDALONE)
    bad_route = wsroute(auth={"replay": "BindToIP"}, upstream="ws://other")
    elsewhere = Options(root_namespace="platform", has_environment_provider=True)
    bad_revocation = revocation(issuer="i", issuedBefore="2026-02-02T00:00:00Z")
    now = translate([bad_route, bad_revocation], elsewhere, previous=good)
    assert (now.routes, now.revocations) == (good.routes, good.revocations)
    assert [verdict.reason for verdict in now.verdicts] == [VerdictReason.INVALID, VerdictReason.INVALID]
    assert all("last accepted version stays in force" in verdict.message for verdict in now.verdicts)


def test_a_kept_version_holds_its_place_against_an_older_newcomer() -> None:
    good = translate([wsroute("b", created="2026-01-02T00:00:00Z", prefix="/x")], STANDALONE)
    older = wsroute("a", created="2026-01-01T00:00:00Z", prefix="/x")
    bad = wsroute("b", created="2026-01-02T00:00:00Z", prefix="/y", auth={"replay": "BindToIP"})
    now = translate([older, bad], STANDALONE, previous=good)
    assert [route.key for route in now.routes] == ["default/b"]
    assert [str(verdict.reason) for verdict in now.verdicts] == ["Conflict", "Invalid"]


def test_a_deleted_object_is_not_kept_from_before() -> None:
    good = translate([wsroute(), revocation(jti="x")], STANDALONE)
    assert translate([], STANDALONE, previous=good) == Translation()


def test_what_is_not_readable_keeps_its_last_accepted_version_and_says_so() -> None:
    good = translate([wsroute(), revocation(jti="x")], STANDALONE)
    unreadable = [
        Unreadable("WsRoute", "default/chat", "spec.new: unknown field"),
        Unreadable("TokenRevocation", "default/r", "spec.new: unknown field"),
        Unreadable("WsRoute", "default/never-seen", "spec.new: unknown field"),
    ]
    now = translate([], STANDALONE, unreadable=unreadable, previous=good)
    assert (now.routes, now.revocations) == (good.routes, good.revocations)
    assert {verdict.reason for verdict in now.verdicts} == {VerdictReason.INVALID}
    kept = [verdict.key for verdict in now.verdicts if "last accepted version stays" in verdict.message]
    assert sorted(kept) == ["default/chat", "default/r"]


def test_an_unreadable_object_is_as_old_as_it_says() -> None:
    older = wsroute("b", created="2026-01-01T00:00:00Z", prefix="/x")
    before = translate([older], STANDALONE)
    younger = wsroute("a", created="2026-01-02T00:00:00Z", prefix="/x")
    unreadable = Unreadable("WsRoute", older.key, "spec.new: unknown field", created="2026-01-01T00:00:00Z")
    now = translate([younger], STANDALONE, unreadable=[unreadable], previous=before)
    assert [route.key for route in now.routes] == ["default/b"]
    assert [verdict.reason for verdict in now.verdicts] == [VerdictReason.CONFLICT, VerdictReason.INVALID]


def test_what_is_held_stays_in_force_without_a_verdict_and_keeps_its_place() -> None:
    before = translate([wsroute("a", namespace="x", hostnames=["a.z"]), revocation(jti="x")], STANDALONE)
    rival = wsroute("b", namespace="y", hostnames=["a.z"])
    from_file = Translation(before.routes, before.revocations)
    now = translate(
        [rival], STANDALONE, held=[("WsRoute", "x/a"), ("TokenRevocation", "default/r")], previous=from_file
    )
    assert (now.routes, now.revocations) == (before.routes, before.revocations)
    assert [(verdict.key, verdict.reason) for verdict in now.verdicts] == [("y/b", VerdictReason.HOST_CLAIMED)]


def test_what_is_held_and_was_never_accepted_is_nothing() -> None:
    assert translate([], STANDALONE, held=[("WsRoute", "x/a"), ("TokenRevocation", "x/r")]) == Translation()


def test_routes_and_records_come_oldest_first() -> None:
    routes = [
        wsroute("a", created="2026-01-02T00:00:00Z"),
        wsroute("b", created="2026-01-01T00:00:00Z"),
        wsroute("c", created="2026-01-01T00:00:00+02:00"),
    ]
    assert [route.name for route in translate(routes, STANDALONE).routes] == ["c", "b", "a"]


TENANTS = Options(root_namespace="platform", tenant_destinations="OwnNamespace", has_environment_provider=True)


def test_a_forbidden_edit_keeps_the_version_before_it() -> None:
    good = translate([wsroute(upstream="ws://chat.default.svc")], TENANTS)
    now = translate([wsroute(upstream="ws://chat.other.svc")], TENANTS, previous=good)
    assert now.routes == good.routes
    assert now.verdicts[0].reason is VerdictReason.REF_NOT_PERMITTED
    assert now.verdicts[0].message.endswith("; the last accepted version stays in force")


def test_a_version_that_the_rules_forbid_now_is_not_kept() -> None:
    good = translate([wsroute(upstream="ws://chat.other.svc")], replace(TENANTS, tenant_destinations="Any"))
    now = translate([wsroute(upstream="ws://chat.other.svc")], TENANTS, previous=good)
    assert (len(good.routes), now.routes) == (1, ())
    assert translate([], TENANTS, held=[("WsRoute", "default/chat")], previous=good).routes == ()


def test_a_forbidden_route_claims_no_host() -> None:
    squatter = wsroute("a", namespace="x", hostnames=["a.z"], upstream="ws://chat.y.svc")
    owner = wsroute("b", namespace="y", hostnames=["a.z"], upstream="ws://chat.y.svc")
    assert [route.key for route in translate([squatter, owner], TENANTS).routes] == ["y/b"]
