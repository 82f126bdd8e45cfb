"""The oldest takes its place first; what is held comes before all, what is known counts once."""

from dataclasses import replace

from tests.operator.objects import STANDALONE, wsroute
from wsgate_operator.translate.assessment import Assessments
from wsgate_operator.translate.placement import Placement, place_routes
from wsgate_operator.translate.verdict import Unreadable

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
        assert kept.model_copy(update={"destinations": "Any"}) == before
