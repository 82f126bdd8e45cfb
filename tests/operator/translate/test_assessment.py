"""What is known of an object is kept while the object says the same under the same options."""

from dataclasses import replace

from tests.operator.objects import STANDALONE, revocation, wsroute
from wsgate_operator.resources.wsroute import WsRouteStatus
from wsgate_operator.translate.assessment import age_of, age_of_key
from wsgate_operator.translate.options import Options
from wsgate_operator.translate.translate import translate

TENANTS = Options(root_namespace="platform", tenant_destinations="OwnNamespace")


def test_an_unchanged_object_gives_the_very_same_route_and_record() -> None:
    first = translate([wsroute(), revocation(jti="x")], STANDALONE)
    again = translate([wsroute(), revocation(jti="x")], STANDALONE, previous=first)
    assert again.routes[0] is first.routes[0]
    assert again.revocations[0] is first.revocations[0]


def test_a_new_status_is_no_change() -> None:
    first = translate([wsroute()], STANDALONE)
    echo = wsroute().model_copy(update={"status": WsRouteStatus(programmed_version=7)})
    assert translate([echo], STANDALONE, previous=first).routes[0] is first.routes[0]


def test_a_changed_object_is_assessed_anew() -> None:
    first = translate([wsroute(), revocation(jti="x")], STANDALONE)
    now = translate([wsroute(upstream="ws://b"), revocation(jti="y")], STANDALONE, previous=first)
    assert (now.routes[0].upstream, now.revocations[0].jti) == ("ws://b", "y")


def test_other_options_assess_everything_anew() -> None:
    first = translate([wsroute(upstream="ws://chat"), revocation(jti="x")], STANDALONE)
    elsewhere = replace(STANDALONE, root_namespace="platform", has_environment_provider=False)
    now = translate([wsroute(upstream="ws://chat"), revocation(jti="x")], elsewhere, previous=first)
    assert "no identity provider" in now.verdicts[0].message
    assert now.revocations[0].namespace == "default"


def test_a_recreated_object_has_its_new_age() -> None:
    other = wsroute("b", created="2026-01-02T00:00:00Z", prefix="/taken")
    first = translate([wsroute("a", created="2026-01-01T00:00:00Z"), other], STANDALONE)
    recreated = wsroute("a", created="2026-01-03T00:00:00Z", prefix="/new")
    moved = wsroute("b", created="2026-01-02T00:00:00Z", prefix="/new")
    now = translate([recreated, moved], STANDALONE, previous=first)
    assert [(verdict.key, str(verdict.reason)) for verdict in now.verdicts] == [
        ("default/a", "Conflict"),
        ("default/b", "Accepted"),
    ]


def test_every_fault_of_a_route_is_assessed_at_once() -> None:
    (verdict,) = translate([wsroute(upstream="ws://a.b.svc", auth={"replay": "BindToIP"})], TENANTS).verdicts
    assert verdict.reason == "Invalid"
    assert "a.b.svc is a Service of namespace" in (verdict.forbidden or "")


def test_a_tenants_route_is_rendered_as_restricted_unless_anywhere_is_allowed() -> None:
    tenants = wsroute("t", namespace="shop", hostnames=["shop.test"], upstream="ws://chat.shop.svc")
    objects = [tenants, wsroute("r", namespace="platform")]

    def rendered(options: Options) -> dict[str, str]:
        routes = translate(objects, replace(options, has_environment_provider=True)).routes
        return {route.key: route.destinations for route in routes}

    restricted = {"shop/t": "Restricted", "platform/r": "Any"}
    assert rendered(TENANTS) == restricted
    assert rendered(replace(TENANTS, tenant_destinations="OwnNamespaceAndPublic")) == restricted
    assert rendered(replace(TENANTS, tenant_destinations="Any")) == {"shop/t": "Any", "platform/r": "Any"}


def test_undated_objects_are_younger_than_dated_ones_and_by_name() -> None:
    dated = age_of(wsroute("z", created="2026-01-01T00:00:00Z").metadata)
    undated = age_of(wsroute("a").metadata)
    assert dated < undated < age_of(wsroute("b").metadata)
    assert age_of_key("default/z", "2026-01-01T00:00:00Z") == dated
    assert age_of_key("default/a", None) == undated
