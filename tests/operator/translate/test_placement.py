"""Who has a place keeps it; then the oldest comes first; what is held comes before all."""

from dataclasses import replace
from typing import Any

import pytest

from tests.operator.objects import STANDALONE, wsroute
from wsgate_operator.resources.wsroute import WsRoute
from wsgate_operator.translate.assessment import Assessments
from wsgate_operator.translate.capacity import leave_out
from wsgate_operator.translate.client_certificate import SecretRef
from wsgate_operator.translate.holdings import CertificateState
from wsgate_operator.translate.placement import Placement, place_routes
from wsgate_operator.translate.translate import Translation, translate
from wsgate_operator.translate.verdict import RefFault, Unreadable, VerdictReason

ASSESSED = [Assessments().of_route(wsroute("a", created="2026-01-01T00:00:00Z"), STANDALONE)]


def test_held_objects_come_first_and_unreadable_ones_by_their_age() -> None:
    unreadable = [
        Unreadable("WsRoute", "default/u", "why", created="2025-01-01T00:00:00Z"),
        Unreadable("WsRoute", "default/v", "why"),
        Unreadable("TokenRevocation", "default/r", "why"),
    ]
    placement = Placement(STANDALONE, unreadable, [("WsRoute", "default/z"), ("TokenRevocation", "default/r")])
    keys = [key for _, key, _ in placement.candidates("WsRoute", ASSESSED)]
    assert keys == ["default/z", "default/u", "default/a", "default/v"]


def test_an_object_that_is_there_is_neither_unreadable_nor_held() -> None:
    unreadable = [Unreadable("WsRoute", "default/a", "why"), Unreadable("WsRoute", "default/u", "why")]
    placement = Placement(STANDALONE, unreadable, [("WsRoute", "default/a"), ("WsRoute", "default/u")])
    served, verdicts = place_routes(ASSESSED, placement, {}, {})
    assert [route.key for route in served] == ["default/a"]
    assert [(verdict.key, str(verdict.reason)) for verdict in verdicts] == [
        ("default/a", "Accepted"),
        ("default/u", "Invalid"),
    ]


def test_a_kept_version_is_restricted_by_the_rules_of_today() -> None:
    free = Assessments().of_route(wsroute("a", upstream="ws://chat.default.svc"), STANDALONE).rendered
    tenants = replace(STANDALONE, root_namespace="platform", tenant_destinations="OwnNamespace")
    for before, options, now in ((free, tenants, "Restricted"), (free, STANDALONE, "Any")):
        placement = Placement(options, (), [("WsRoute", "default/a")])
        (kept,), _ = place_routes((), placement, {"default/a": before}, {})
        assert (before.destinations, kept.destinations) == ("Any", now)
        assert kept.yields == (now == "Restricted")
        assert kept.model_copy(update={"destinations": "Any", "yields": False}) == before


def test_an_old_object_that_is_edited_comes_after_those_that_hold_their_places() -> None:
    tenants = replace(STANDALONE, root_namespace="platform")
    holder = wsroute("holder", namespace="bank", hostnames=["bank.test"], created="2026-03-01T00:00:00Z")
    early = wsroute("early", namespace="evil", hostnames=["unused.test"], created="2026-01-01T00:00:00Z")
    edited = wsroute("early", namespace="evil", hostnames=["bank.test"], created="2026-01-01T00:00:00Z")
    before = translate([holder, early], tenants)
    after = translate([holder, edited], tenants, previous=before)
    assert [route.key for route in after.routes] == ["bank/holder"]
    assert [str(verdict.reason) for verdict in after.verdicts] == ["Accepted", "HostClaimed"]
    again = translate([holder, early], tenants, previous=after)
    assert [route.key for route in again.routes] == ["bank/holder", "evil/early"]


@pytest.mark.parametrize(
    ("base", "edited"),
    [({"prefix": "/base"}, {"prefix": "/"}), ({"hostnames": ["x.test"]}, {"hostnames": ["bank.test"]})],
)
def test_the_order_of_places_lasts(base: dict[str, Any], edited: dict[str, Any]) -> None:
    tenants = replace(STANDALONE, root_namespace="platform")
    app = wsroute("app", namespace="bank", hostnames=["bank.test"], prefix="/app", created="2026-03-01T00:00:00Z")

    def root(**spec: Any) -> WsRoute:
        return wsroute("base", namespace="platform", created="2026-01-01T00:00:00Z", **spec)

    last = translate([app, root(**base)], tenants)
    for _ in range(3):
        last = translate([app, root(**edited)], tenants, previous=last)
        assert [route.key for route in last.routes] == ["bank/app", "platform/base"]
        assert [str(verdict.reason) for verdict in last.verdicts] == ["Accepted", "Accepted"]
    # So it is read from the ConfigMap by the next life.
    again = translate([app, root(**edited)], tenants, previous=Translation(last.routes))
    assert again.routes == last.routes


def test_a_route_for_which_there_is_no_room_keeps_its_place() -> None:
    tenants = replace(STANDALONE, root_namespace="platform")
    holder = wsroute("holder", namespace="bank", hostnames=["bank.test"], created="2026-03-01T00:00:00Z")
    early = wsroute("early", namespace="evil", hostnames=["unused.test"], created="2026-01-01T00:00:00Z")
    lurker = wsroute("early", namespace="evil", hostnames=["bank.test"], created="2026-01-01T00:00:00Z")
    full = leave_out(translate([holder, early], tenants), {"bank/holder"})
    assert [route.key for route in full.routes] == ["evil/early"]
    # As long as it lasts, and when there is room again.
    for _ in range(2):
        now = translate([holder, lurker], tenants, previous=full)
        assert [route.key for route in now.routes] == ["bank/holder"]
        full = leave_out(now, {"bank/holder"})
        assert full.routes == ()


def test_a_faulty_edit_keeps_the_place_that_the_object_had() -> None:
    tenants = replace(STANDALONE, root_namespace="platform")
    held = wsroute("held", namespace="bank", hostnames=["bank.test"], created="2026-03-01T00:00:00Z")
    broken = wsroute(
        "held",
        namespace="bank",
        hostnames=["other.test"],
        auth={"replay": "BindToIP"},
        created="2026-03-01T00:00:00Z",
    )
    older = wsroute("older", namespace="evil", hostnames=["bank.test"], created="2026-01-01T00:00:00Z")
    before = translate([held], tenants)
    after = translate([broken, older], tenants, previous=before)
    assert [route.hostnames for route in after.routes] == [("bank.test",)]
    assert {verdict.key: str(verdict.reason) for verdict in after.verdicts} == {
        "bank/held": "Invalid",
        "evil/older": "HostClaimed",
    }


@pytest.mark.parametrize(
    "edit",
    [{"hostnames": ["bank.test", "www.bank.test"]}, {"hostnames": ["bank.test"], "prefix": "/v2"}],
    ids=["one host more", "another prefix"],
)
def test_an_owner_that_edits_its_route_loses_no_host_to_an_older_object_that_wants_it(
    edit: dict[str, Any],
) -> None:
    tenants = replace(STANDALONE, root_namespace="platform")
    owner = wsroute("r", namespace="bank", hostnames=["bank.test"], created="2026-03-01T00:00:00Z")
    unused = wsroute("e", namespace="evil", hostnames=["unused.test"], created="2026-01-01T00:00:00Z")
    lurker = wsroute("e", namespace="evil", hostnames=["bank.test"], created="2026-01-01T00:00:00Z")
    before = translate([owner, lurker], tenants, previous=translate([owner, unused], tenants))
    edited = wsroute("r", namespace="bank", created="2026-03-01T00:00:00Z", **edit)
    after = translate([edited, lurker], tenants, previous=before)
    assert [route.key for route in after.routes] == ["bank/r"]
    assert {each.key: str(each.reason) for each in after.verdicts} == {
        "bank/r": "Accepted",
        "evil/e": "HostClaimed",
    }


TLS = {"clientCertificateRef": {"name": "client"}}
REF = SecretRef("default", "client")
BROKEN = RefFault(VerdictReason.INVALID_CERTIFICATE_REF, "broken")
HELD, KEPT, LET_GO = (
    {REF.id: CertificateState(is_held=is_held, fault=fault)}
    for is_held, fault in ((True, None), (True, BROKEN), (False, BROKEN))
)


def secured(name: str = "a", **spec: Any) -> WsRoute:
    return wsroute(name, **{"upstream": "wss://a.test", "upstreamTLS": TLS, **spec})


def test_a_route_is_rendered_with_the_id_of_its_own_namespaces_copy() -> None:
    (route,) = translate([secured()], STANDALONE, certificates=HELD).routes
    assert route.client_certificate == REF.id
    elsewhere = translate([wsroute("a", namespace="evil", upstream="wss://a.test", upstreamTLS=TLS)], STANDALONE)
    assert elsewhere.assessments.routes["evil/a"].rendered.client_certificate != REF.id


def test_a_route_waits_without_a_verdict_for_a_secret_that_was_not_looked_at() -> None:
    waiting = translate([secured()], STANDALONE)
    assert (waiting.routes, waiting.verdicts) == ((), ())
    served = translate([secured()], STANDALONE, certificates=HELD)
    again = translate([secured(prefix="/new")], STANDALONE, previous=served)
    assert [route.prefix for route in again.routes] == ["/a"]


def test_another_fault_is_told_without_waiting() -> None:
    (verdict,) = translate([secured(upstream="ws://a.test")], STANDALONE).verdicts
    assert "a ws:// upstream is shown no certificate" in verdict.message


def test_a_secret_that_breaks_keeps_the_accepted_version_and_one_that_is_let_go_does_not() -> None:
    served = translate([secured()], STANDALONE, certificates=HELD)
    kept = translate([secured(prefix="/new")], STANDALONE, certificates=KEPT, previous=served)
    assert [route.prefix for route in kept.routes] == ["/a"]
    (verdict,) = kept.verdicts
    assert (verdict.reason, verdict.unresolved) == (VerdictReason.INVALID_CERTIFICATE_REF, BROKEN)
    assert verdict.message == "broken; the last accepted version stays in force"
    let_go = translate([secured()], STANDALONE, certificates=LET_GO, previous=kept)
    assert let_go.routes == ()
    assert let_go.verdicts[0].message == "broken"
    back = translate([secured()], STANDALONE, certificates=HELD, previous=let_go)
    assert [route.prefix for route in back.routes] == ["/a"]


def test_an_edit_that_takes_the_certificate_away_is_not_held_up_by_it() -> None:
    served = translate([secured()], STANDALONE, certificates=HELD)
    plain = translate([wsroute("a")], STANDALONE, certificates=LET_GO, previous=served)
    assert plain.routes[0].client_certificate is None


def test_a_route_whose_secret_is_as_before_is_the_very_same() -> None:
    first = translate([secured()], STANDALONE, certificates=HELD)
    again = translate([secured()], STANDALONE, certificates=dict(HELD), previous=first)
    assert again.routes[0] is first.routes[0]


def test_a_place_is_not_lost_while_a_secret_is_broken_or_waited_for() -> None:
    holder = secured("holder", prefix="/same", created="2026-03-01T00:00:00Z")
    rival = wsroute("rival", prefix="/same", created="2026-01-01T00:00:00Z")
    served = translate([holder], STANDALONE, certificates=HELD)
    for certificates in (KEPT, {}):
        now = translate([holder, rival], STANDALONE, certificates=certificates, previous=served)
        assert [route.name for route in now.routes] == ["holder"]
