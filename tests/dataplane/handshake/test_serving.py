"""A route is served with the environment's defaults, its own fields first; an unreadable one never fails open."""

import datetime
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.certificates import authority, pair
from wsgate_contract.route import Route
from wsgate_dataplane.handshake.serving import Catalogue, Serving, build_catalogue, make_serving
from wsgate_dataplane.settings import Settings
from wsgate_dataplane.snapshot.files import InvalidRoute, RoutesFile
from wsgate_dataplane.upstreams.resolve import ANYWHERE, Destinations
from wsgate_dataplane.upstreams.retry import Patience
from wsgate_dataplane.upstreams.tls import ClientCertificate

SETTINGS = Settings.load(
    {
        "JWKS_URL": "https://idp.test/certs",
        "JWT_EXPECTED_ISSUER": "https://idp.test",
        "JWT_EXPECTED_AUDIENCE": "gateway",
        "JWT_VALID_ALGORITHMS": "ES256",
        "WS_IDLE_TIMEOUT_SECONDS": "40",
        "WS_WRITE_TIMEOUT_SECONDS": "7",
        "WS_CONTROL_TIMEOUT_SECONDS": "3",
        "WS_ALLOWED_ORIGINS": "*.example.com",
        "INGRESS_HOST": "ws.example.com",
    }
)
CHAT: dict[str, Any] = {"namespace": "shop", "name": "chat", "prefix": "/chat", "upstream": "ws://chat.test/ws"}
PROVIDER = {"issuer": "https://own.test", "audiences": ["own"], "jwks": {"uri": "https://own.test/certs"}}


def route(**fields: Any) -> Route:
    return Route.from_document(CHAT | fields)


def serving(**fields: Any) -> Serving:
    return make_serving(route(**fields), SETTINGS)


def file_of(*routes: Route, invalid: tuple[InvalidRoute, ...] = (), version: int = 1) -> RoutesFile:
    return RoutesFile(version, "digest", routes, invalid)


def unreadable(**fields: Any) -> InvalidRoute:
    return InvalidRoute("shop/chat", CHAT | {"newField": 1} | fields, "newField: unknown")


def test_the_environments_defaults_fill_what_the_route_leaves_open() -> None:
    made = serving()
    limits = made.limits
    assert (limits.idle_seconds, limits.ping_seconds, limits.write_seconds) == (40, 20, 7)
    assert (limits.close_seconds, limits.max_message_bytes) == (3, 1048576)
    assert made.origins == ("*.example.com",)
    assert made.exact_hosts == ("ws.example.com",)
    (provider,) = made.providers
    assert (provider.issuer, provider.jwks_uri) == ("https://idp.test", "https://idp.test/certs")
    assert (provider.audiences, provider.algorithms, provider.scope) == (("gateway",), ("ES256",), "root")


def test_a_routes_own_fields_win_over_the_environment() -> None:
    made = serving(
        timeouts={"idleSeconds": 100, "pingSeconds": 9, "writeSeconds": 11},
        limits={"maxMessageBytes": 5},
        origins=["https://own.test"],
        hostnames=["own.test", "*.own.test"],
        auth={"providers": [PROVIDER]},
    )
    limits = made.limits
    assert (limits.idle_seconds, limits.ping_seconds, limits.write_seconds) == (100, 9, 11)
    assert limits.max_message_bytes == 5
    assert made.origins == ("https://own.test",)
    assert made.exact_hosts == ("own.test",), "a wildcard is no exact host, nor is the ingress's here"
    (provider,) = made.providers
    assert (provider.issuer, provider.audiences, provider.scope) == ("https://own.test", ("own",), "shop")


def test_pings_go_at_half_of_the_routes_own_idle_time() -> None:
    assert serving(timeouts={"idleSeconds": 10}).limits.ping_seconds == 5


def test_a_wildcard_route_does_not_take_the_ingress_host() -> None:
    assert serving(hostnames=["*.own.test"]).exact_hosts == ()


def test_an_anonymous_route_has_no_providers_and_neither_has_one_that_nobody_gave() -> None:
    assert serving(auth={"mode": "Anonymous", "providers": [PROVIDER]}).providers == ()
    assert make_serving(route(), Settings.load({})).providers == ()


def test_one_tenants_provider_is_another_one_than_the_same_of_another_tenant() -> None:
    mine = serving(auth={"providers": [PROVIDER]}).providers[0]
    theirs = serving(namespace="bank", auth={"providers": [PROVIDER]}).providers[0]
    assert mine.provider_id != theirs.provider_id


def test_an_encrypted_upstream_is_always_verified_and_a_plain_one_has_no_tls() -> None:
    made = serving(
        upstream=None, upstreams=[{"url": "wss://a.test"}, {"url": "ws://b.test"}, {"url": "wss://c.test"}]
    )
    first, plain, third = (each.target for each in made.pool)
    assert first.tls is not None
    assert first.tls is third.tls, "one context for all: it is costly"
    assert first.tls.check_hostname
    assert (first.server_name, third.server_name) == ("a.test", "c.test")
    assert (plain.tls, plain.server_name) == (None, None)


def test_the_name_to_verify_can_be_another_than_the_urls() -> None:
    made = serving(upstream="wss://10.0.0.1", upstreamTLS={"serverName": "chat.test"})
    assert next(iter(made.pool)).target.server_name == "chat.test"


def test_a_circuit_opens_as_the_route_says_or_the_environment() -> None:
    (usual,) = serving().pool
    environ = {"CB_FAILURE_THRESHOLD": "2", "CB_OPEN_TIMEOUT_SECONDS": "9", "CB_HEALTHCHECK_INTERVAL_SECONDS": "4"}
    (set_,) = make_serving(route(), Settings.load(environ)).pool
    (own,) = serving(circuitBreaker={"failures": 1, "openSeconds": 7, "healthCheckSeconds": 2}).pool
    expected = ((usual.circuit, 5, 60, 130), (set_.circuit, 2, 9, 104), (own.circuit, 1, 7, 102))
    for circuit, failures, seconds, probe_at in expected:
        assert [circuit.failed(circuit.begin(), 100) for _ in range(failures)] == [False] * (failures - 1) + [True]
        assert (circuit.seconds_left(100), circuit.probe_at) == (seconds, probe_at)


def test_retries_are_the_routes_own_or_the_environments() -> None:
    assert serving().patience == Patience(5, 10, 3, 2)
    own = serving(
        retry={"attempts": 0, "intervalSeconds": 7}, timeouts={"connectSeconds": 1, "handshakeSeconds": 4}
    )
    assert own.patience == Patience(1, 4, 0, 7)


def test_a_catalogue_finds_a_route_and_what_it_needs() -> None:
    catalogue = build_catalogue(file_of(route(), version=4), Catalogue(), SETTINGS)
    found = catalogue.table.match("any.test", "/chat/room")
    assert found is not None
    assert catalogue.servings[found.key].route == route()
    assert catalogue.version == 4
    assert catalogue.provider_ids == {catalogue.servings["shop/chat"].providers[0].provider_id}


def test_an_unchanged_route_is_not_built_again_and_a_changed_one_is() -> None:
    before = build_catalogue(file_of(route(), route(name="room", prefix="/room")), Catalogue(), SETTINGS)
    after = build_catalogue(file_of(route(appendPath=True), route(name="room", prefix="/room")), before, SETTINGS)
    assert after.servings["shop/room"] is before.servings["shop/room"]
    assert after.servings["shop/chat"].route.append_path


def test_a_route_that_is_gone_is_no_longer_matched() -> None:
    before = build_catalogue(file_of(route()), Catalogue(), SETTINGS)
    after = build_catalogue(file_of(), before, SETTINGS)
    assert after.table.match("any.test", "/chat") is None
    assert after.servings == {}


def test_an_unreadable_route_keeps_its_last_good_form() -> None:
    before = build_catalogue(file_of(route()), Catalogue(), SETTINGS)
    after = build_catalogue(file_of(invalid=(unreadable(prefix="/moved"),), version=2), before, SETTINGS)
    assert after.servings["shop/chat"] is before.servings["shop/chat"]
    assert after.table.match("any.test", "/chat") == route()
    assert [invalid.key for invalid in after.invalid] == ["shop/chat"]


def test_an_unreadable_route_without_a_good_form_keeps_its_address_from_a_shorter_prefix() -> None:
    wide = route(name="wide", prefix="/", auth={"mode": "Anonymous"})
    catalogue = build_catalogue(file_of(wide, invalid=(unreadable(),)), Catalogue(), SETTINGS)
    found = catalogue.table.match("any.test", "/chat/room")
    assert found is not None
    # Matched but not served: answered 503.
    assert found.key == "shop/chat"
    assert "shop/chat" not in catalogue.servings
    assert catalogue.table.match("any.test", "/other") == wide


def test_an_unreadable_route_that_yields_keeps_no_form_that_did_not_and_takes_no_named_host() -> None:
    named = route(name="named", namespace="bank", prefix="/", hostnames=["bank.test"])
    before = build_catalogue(file_of(route(), named), Catalogue(), SETTINGS)
    after = build_catalogue(file_of(named, invalid=(unreadable(yields=True),)), before, SETTINGS)
    assert "shop/chat" not in after.servings
    assert after.table.match("bank.test", "/chat") == named
    found = after.table.match("any.test", "/chat")
    assert found is not None and found.key == "shop/chat"
    good = build_catalogue(file_of(route(yields=True)), Catalogue(), SETTINGS)
    again = build_catalogue(file_of(invalid=(unreadable(yields=True),)), good, SETTINGS)
    assert "shop/chat" in again.servings


def test_an_unreadable_route_that_became_readable_is_served() -> None:
    before = build_catalogue(file_of(invalid=(unreadable(),)), Catalogue(), SETTINGS)
    after = build_catalogue(file_of(route()), before, SETTINGS)
    assert after.servings["shop/chat"].route == route()
    assert after.invalid == ()


@pytest.mark.parametrize(
    "change", [{"prefix": 5}, {"prefix": None}, {"hostnames": ["not a host"]}, {"name": ""}], ids=str
)
def test_an_unreadable_address_does_not_hold_up_the_other_routes(change: dict[str, Any]) -> None:
    other = route(name="room", prefix="/room")
    catalogue = build_catalogue(file_of(other, invalid=(unreadable(**change),)), Catalogue(), SETTINGS)
    assert catalogue.table.match("any.test", "/room") == other


UNUSABLE = [
    {"upstream": "wss://chat.test", "upstreamTLS": {"caBundle": "no PEM"}},
    {"upstream": "ws://chat.test:99999/ws"},
]


@pytest.mark.parametrize("change", UNUSABLE, ids=str)
def test_a_readable_route_that_cannot_be_served_is_refused_alone(change: dict[str, Any]) -> None:
    other = route(name="room", prefix="/room")
    catalogue = build_catalogue(file_of(route(**change), other), Catalogue(), SETTINGS)
    assert set(catalogue.servings) == {"shop/room"}
    found = catalogue.table.match("any.test", "/chat")
    assert found is not None
    assert found.key == "shop/chat"
    (invalid,) = catalogue.invalid
    assert invalid.key == "shop/chat"
    assert invalid.detail


@pytest.mark.parametrize("change", UNUSABLE, ids=str)
def test_a_readable_route_that_cannot_be_served_keeps_its_last_good_form(change: dict[str, Any]) -> None:
    before = build_catalogue(file_of(route()), Catalogue(), SETTINGS)
    after = build_catalogue(file_of(route(**change)), before, SETTINGS)
    assert after.servings["shop/chat"] is before.servings["shop/chat"]
    assert after.table.match("any.test", "/chat") == route()


CLUSTER = Destinations.in_cluster(SETTINGS, {"KUBERNETES_SERVICE_HOST": "10.96.0.1"})


@pytest.mark.parametrize("destinations", ["Any", "Restricted"])
@pytest.mark.parametrize("host", ["127.0.0.1", "10.96.0.1", "169.254.169.254", "[::ffff:127.0.0.1]"])
def test_an_upstream_that_may_never_be_dialled_makes_its_route_invalid(host: str, destinations: str) -> None:
    forbidden = route(upstream=f"ws://{host}:8080", destinations=destinations)
    catalogue = build_catalogue(file_of(forbidden), Catalogue(), SETTINGS, CLUSTER)
    assert catalogue.servings == {}
    assert catalogue.table.match("any.test", "/chat") is not None
    (invalid,) = catalogue.invalid
    assert "where the gateway never connects to" in invalid.detail
    assert "shop/chat" in build_catalogue(file_of(route(upstream=f"ws://{host}")), Catalogue(), SETTINGS).servings


def test_a_private_address_is_for_routes_that_are_not_restricted() -> None:
    private = route(upstream="ws://10.0.0.1")
    assert build_catalogue(file_of(private), Catalogue(), SETTINGS, CLUSTER).invalid == ()
    restricted = route(upstream="ws://10.0.0.1", destinations="Restricted")
    for destinations in (CLUSTER, ANYWHERE):
        (invalid,) = build_catalogue(file_of(restricted), Catalogue(), SETTINGS, destinations).invalid
        assert "10.0.0.1 is not public" in invalid.detail


def test_of_several_upstreams_a_forbidden_one_is_left_to_the_dial() -> None:
    upstreams = [{"url": "ws://10.0.0.1"}, {"url": "ws://8.8.8.8"}, {"url": "ws://a.test"}]
    made = make_serving(route(upstream=None, upstreams=upstreams, destinations="Restricted"), SETTINGS, CLUSTER)
    forbidden, public, name = (each.target for each in made.pool)
    assert (forbidden.refusal is None, public.reach, name.refusal) == (False, None, None)
    assert name.reach == CLUSTER.reach_of("shop")


def test_an_unrestricted_route_outside_a_cluster_is_dialled_without_any_check() -> None:
    assert [each.target.reach for each in serving().pool] == [None]


def test_a_form_from_before_the_route_was_restricted_is_not_kept() -> None:
    free = build_catalogue(file_of(route(upstream="ws://10.0.0.1")), Catalogue(), SETTINGS, CLUSTER)
    restricted = route(upstream="ws://10.0.0.1", destinations="Restricted")
    assert build_catalogue(file_of(restricted), free, SETTINGS, CLUSTER).servings == {}
    unknown = file_of(invalid=(unreadable(destinations="Restricted"),))
    assert build_catalogue(unknown, free, SETTINGS, CLUSTER).servings == {}
    good = build_catalogue(file_of(route(destinations="Restricted")), Catalogue(), SETTINGS, CLUSTER)
    for edit in (file_of(restricted), unknown):
        after = build_catalogue(edit, good, SETTINGS, CLUSTER)
        assert after.servings["shop/chat"] is good.servings["shop/chat"]


def test_a_restricted_routes_own_providers_are_restricted_and_the_environments_is_not() -> None:
    (own,) = serving(destinations="Restricted", auth={"providers": [PROVIDER]}).providers
    (free,) = serving(auth={"providers": [PROVIDER]}).providers
    assert (own.is_restricted, free.is_restricted) == (True, False)
    assert own.provider_id != free.provider_id
    assert not serving(destinations="Restricted").providers[0].is_restricted


def test_building_leaves_the_previous_catalogue_as_it_was() -> None:
    before = build_catalogue(file_of(route()), Catalogue(), SETTINGS)
    kept = replace(before, servings=dict(before.servings))
    build_catalogue(file_of(invalid=(unreadable(),)), before, SETTINGS)
    assert before == kept


def test_a_ca_bundle_with_a_comment_in_any_script_is_read() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ca")])
    moment = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    built = x509.CertificateBuilder(name, name, key.public_key(), 1, moment, moment.replace(year=2099))
    pem = built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
    tls = {"caBundle": f"# Zertifikat für B\n{pem}"}
    found = build_catalogue(file_of(route(upstream="wss://chat.test", upstreamTLS=tls)), Catalogue(), SETTINGS)
    assert set(found.servings) == {"shop/chat"}


def test_routes_of_one_ca_bundle_share_a_context() -> None:
    system, again = (serving(name=name, upstream="wss://a.test") for name in "ab")
    bundle = authority()[1].public_bytes(serialization.Encoding.PEM).decode()
    own, same = (serving(name=name, upstream="wss://a.test", upstreamTLS={"caBundle": bundle}) for name in "cd")
    contexts = [next(iter(each.pool)).target.tls for each in (system, again, own, same)]
    assert contexts[0] is contexts[1]
    assert contexts[2] is contexts[3]
    assert len({*contexts} - {None}) == 2


SHOWN = ClientCertificate.from_pem(b"".join(pair("client.test")))
ID = "0123456789abcdef0123456789abcdef"
SECURED: dict[str, Any] = {
    "upstream": "wss://chat.test",
    "upstreamTLS": {"clientCertificateRef": {"name": "client"}},
    "clientCertificate": ID,
}


def build(file: RoutesFile, before: Catalogue | None = None, **certificates: ClientCertificate) -> Catalogue:
    found = {ID: certificates["shown"]} if certificates else {}
    return build_catalogue(file, before or Catalogue(), SETTINGS, ANYWHERE, found)


def test_a_route_shows_the_certificate_that_its_id_names() -> None:
    made = build(file_of(route(**SECURED)), shown=SHOWN).servings["shop/chat"]
    (upstream,) = made.pool
    assert (made.certificate, upstream.target.tls) == (SHOWN, SHOWN.context(None))


def test_without_its_certificate_a_route_holds_its_prefix_and_is_not_served() -> None:
    other = route(name="other", prefix="/")
    found = build(file_of(route(**SECURED), other))
    assert set(found.servings) == {"shop/other"}
    matched = found.table.match("any.test", "/chat")
    assert matched is not None and matched.name == "chat"
    assert "WSGATE_SECRETS_DIR is not set" in found.invalid[0].detail
    settings = SETTINGS.model_copy(update={"wsgate_secrets_dir": Path("/mounted")})
    (invalid,) = build_catalogue(file_of(route(**SECURED)), Catalogue(), settings).invalid
    assert f"/mounted/{ID}.pem is not there yet" in invalid.detail


def test_a_route_without_an_id_is_never_dialled_without_a_certificate() -> None:
    secured = {name: value for name, value in SECURED.items() if name != "clientCertificate"}
    assert build(file_of(route(**secured)), shown=SHOWN).servings == {}


def test_a_renewed_certificate_makes_a_new_serving_and_an_unchanged_one_does_not() -> None:
    file = file_of(route(**SECURED), route(name="plain", prefix="/plain"))
    before = build(file, shown=SHOWN)
    assert build(file, before, shown=SHOWN).servings == before.servings
    renewed = ClientCertificate.from_pem(b"".join(pair("client.test")))
    after = build(file, before, shown=renewed)
    assert after.servings["shop/chat"].certificate is renewed
    assert after.servings["shop/plain"] is before.servings["shop/plain"]


def test_a_certificate_that_is_taken_away_takes_its_route_along() -> None:
    file = file_of(route(**SECURED))
    after = build(file, build(file, shown=SHOWN))
    assert after.servings == {} and [each.key for each in after.invalid] == ["shop/chat"]


def test_a_route_that_is_to_show_a_certificate_serves_its_old_form_until_that_is_there() -> None:
    before = build(file_of(route(upstream="wss://chat.test")))
    waiting = build(file_of(route(**SECURED)), before)
    assert waiting.servings["shop/chat"].certificate is None
    assert build(file_of(route(**SECURED)), waiting, shown=SHOWN).servings["shop/chat"].certificate is SHOWN


def test_the_last_good_form_of_an_unreadable_route_shows_a_renewed_certificate() -> None:
    before = build(file_of(route(**SECURED)), shown=SHOWN)
    renewed = ClientCertificate.from_pem(b"".join(pair("client.test")))
    after = build(file_of(invalid=(unreadable(),)), before, shown=renewed)
    assert after.servings["shop/chat"].certificate is renewed
