"""The environment becomes settings, or one line for each fault."""

from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from wsgate_dataplane.settings import Settings, SettingsError, environment_names

SECRET = "redis://user:hunter2@redis/0"


def problems(environ: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        Settings.load(environ)
    return str(caught.value).splitlines()


def test_an_empty_environment_gives_the_original_gateways_defaults() -> None:
    settings = Settings.load({})
    assert settings.jwks_ttl_minutes == 10
    assert settings.jwt_valid_algorithms == ("RS256",)
    assert settings.ws_idle_timeout_seconds == 60
    assert settings.route_file == Path("/etc/ws-gw/routes.yaml")
    assert settings.rate_limit_per_second is None


def test_an_empty_value_counts_as_unset() -> None:
    assert Settings.load({"JWKS_TTL_MINUTES": "", "JWT_EXPECTED_AUDIENCE": ""}) == Settings.load({})


def test_the_processs_own_environment_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JWT_COOKIE_NAME", "leaked")
    assert Settings().jwt_cookie_name == Settings.load({}).jwt_cookie_name == "session"


def test_lists_are_comma_separated_and_trimmed() -> None:
    environ = {
        "JWT_EXPECTED_AUDIENCE": "gateway, account,",
        "JWT_VALID_ALGORITHMS": "RS256,ES256",
        "WS_ALLOWED_ORIGINS": "https://app.example.com:8443,*.example.org",
    }
    settings = Settings.load(environ)
    assert settings.jwt_expected_audience == ("gateway", "account")
    assert settings.jwt_valid_algorithms == ("RS256", "ES256")
    assert settings.ws_allowed_origins == ("https://app.example.com:8443", "*.example.org")


@pytest.mark.parametrize(
    ("value", "networks"),
    [
        (None, None),
        ("none", ()),
        ("10.0.0.0/8, fd00::/8", (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))),
        ("192.0.2.7", (ip_network("192.0.2.7/32"),)),
    ],
)
def test_no_trusted_proxies_differs_from_none_being_told(value: str | None, networks: object) -> None:
    environ = {} if value is None else {"WSGATE_TRUSTED_PROXIES": value}
    assert Settings.load(environ).wsgate_trusted_proxies == networks


def test_a_pods_surroundings_are_lists_of_addresses_and_networks() -> None:
    environ = {
        "WSGATE_POD_IP": "10.244.0.7, fd00::7",
        "WSGATE_ALLOW_CIDRS": "10.20.0.0/16,fd00::/8",
        "WSGATE_CLUSTER_DOMAIN": "Corp.Example",
    }
    settings = Settings.load(environ)
    assert settings.wsgate_pod_ip == (ip_address("10.244.0.7"), ip_address("fd00::7"))
    assert settings.wsgate_allow_cidrs == (ip_network("10.20.0.0/16"), ip_network("fd00::/8"))
    assert settings.wsgate_cluster_domain == "corp.example"
    bare = Settings.load({})
    assert (bare.wsgate_pod_ip, bare.wsgate_allow_cidrs) == ((), ())
    assert bare.wsgate_cluster_domain == "cluster.local"


def test_every_fault_is_told_at_once_and_with_the_fix() -> None:
    environ = {
        "WS_IDLE_TIMEOUT_SECONDS": "abc",
        "JWKS_TTL_MINUTES": "0",
        "SHUTDOWN_HARD_LIMIT": "601",
        "JWT_CACHE_STORE": "disk",
        "JWKS_URL": "idp.example.com",
    }
    assert sorted(problems(environ)) == [
        "JWKS_TTL_MINUTES: expected at least 1 minutes, found '0'",
        "JWKS_URL: expected a URL such as https://idp.example.com/certs, found 'idp.example.com'",
        "JWT_CACHE_STORE: expected memory, redis or postgres, found 'disk'",
        "SHUTDOWN_HARD_LIMIT: expected at most 600 seconds, found '601'",
        "WS_IDLE_TIMEOUT_SECONDS: expected a whole number of seconds, found 'abc'",
    ]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("JWT_VALID_ALGORITHMS", "HS256", "HS256 is refused"),
        ("JWT_VALID_ALGORITHMS", "RS256,none", "none is refused"),
        ("JWT_VALID_ALGORITHMS", "RS255", "expected a list of RS256"),
        ("JWT_VALID_ALGORITHMS", ",", "at least one algorithm"),
        ("JWT_COOKIE_NAME", "a b", "expected a cookie name"),
        ("INGRESS_HOST", "https://a.example", "expected a hostname"),
        ("WS_ALLOWED_ORIGINS", "*", "leave it unset"),
        ("WS_ALLOWED_ORIGINS", "https://a.example/", "expected a list of origins"),
        ("WSGATE_TRUSTED_PROXIES", "10.0.0.1/8", "has host bits set"),
        ("WSGATE_TRUSTED_PROXIES", "all", "expected networks"),
        ("WSGATE_ALLOW_CIDRS", "10.0.0.0/99", "expected networks"),
        ("WSGATE_POD_IP", "10.0.0.0/8", "expected addresses"),
        ("WSGATE_CLUSTER_DOMAIN", ".cluster.local", "expected a domain"),
        ("JWT_CACHE_PREFIX", "with space", "1 to 100 printable ASCII characters"),
        ("JWT_CACHE_PREFIX", "x" * 101, "1 to 100 printable ASCII characters"),
    ],
)
def test_a_value_that_could_not_work_is_refused(name: str, value: str, words: str) -> None:
    (line,) = problems({name: value})
    assert line.startswith(f"{name}: ") and words in line and line.endswith(f"found {value!r}")


def test_identities_are_no_labels_where_none_may_be_shown() -> None:
    environ = {"WSGATE_METRICS_IDENTITY_LABELS_MAX": "100"}
    assert Settings.load(environ).wsgate_metrics_identity_labels_max == 100
    assert Settings.load({}).wsgate_metrics_identity_labels_max == 0
    (line,) = problems({**environ, "WSGATE_LOG_IDENTITY": "none"})
    assert line.startswith("WSGATE_METRICS_IDENTITY_LABELS_MAX: WSGATE_LOG_IDENTITY is none")


def test_the_proxy_protocol_needs_proxies_to_believe() -> None:
    required = {"WSGATE_PROXY_PROTOCOL": "Require"}
    (line,) = problems({**required, "WSGATE_TRUSTED_PROXIES": "none"})
    assert line.startswith("WSGATE_PROXY_PROTOCOL: Require needs a proxy, but WSGATE_TRUSTED_PROXIES says none")
    (warning,) = Settings.load(required).warnings(required)
    assert warning.startswith("WSGATE_TRUSTED_PROXIES: unset, so whoever connects may claim any address")
    named = {**required, "WSGATE_TRUSTED_PROXIES": "10.0.0.0/8"}
    assert Settings.load(named).warnings(named) == []


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text(f"{SECRET}\n")
    settings = Settings.load({"REDIS_URL_FILE": str(file)})
    assert settings.redis_url and settings.redis_url.get_secret_value() == SECRET


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "No such file"), (b"\xff", "not UTF-8 text")],
)
def test_an_unreadable_secret_file_is_named(tmp_path: Path, content: bytes | None, words: str) -> None:
    file = tmp_path / "url"
    if content is not None:
        file.write_bytes(content)
    (line,) = problems({"POSTGRES_DSN_FILE": str(file)})
    assert line.startswith(f"POSTGRES_DSN_FILE: expected a readable file, found {str(file)!r} ({words}")


def test_a_secret_given_twice_is_refused_without_showing_it(tmp_path: Path) -> None:
    (line,) = problems({"REDIS_URL": SECRET, "REDIS_URL_FILE": str(tmp_path)})
    assert "keep one" in line and "hunter2" not in line


def test_a_secret_is_not_shown_by_settings_errors_or_warnings() -> None:
    environ = {"REDIS_URL": SECRET}
    settings = Settings.load(environ)
    assert "hunter2" not in repr(settings) + str(settings) + str(settings.warnings(environ))
    assert "hunter2" not in str(problems({**environ, "JWKS_TTL_MINUTES": "x"}))


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().ws_idle_timeout_seconds = 5  # type: ignore[misc]  # what is shown is that it fails


def test_an_unknown_wsgate_name_is_one_warning_with_the_nearest_name() -> None:
    environ = {"WSGATE_LOG_IDENTIY": "hash"}
    (line,) = Settings.load(environ).warnings(environ)
    assert line == "WSGATE_LOG_IDENTIY: no such setting; did you mean WSGATE_LOG_IDENTITY?"


def test_the_other_components_names_and_service_links_are_no_warning() -> None:
    environ = {
        "WSGATE_GATEWAY_NAME": "wsgate",
        "WSGATE_SERVICE_HOST": "10.0.0.1",
        "WSGATE_SERVICE_PORT": "80",
        "WSGATE_SERVICE_PORT_PUBLIC": "80",
        "WSGATE_PORT": "tcp://10.0.0.1:80",
        "WSGATE_PORT_80_TCP": "tcp://10.0.0.1:80",
        "WSGATE_PORT_80_TCP_ADDR": "10.0.0.1",
    }
    assert Settings.load(environ).warnings(environ, {"WSGATE_GATEWAY_NAME"}) == []


def test_a_jwks_url_without_issuer_and_audience_is_a_warning_each() -> None:
    environ = {"JWKS_URL": "https://idp.example.com/certs"}
    lines = Settings.load(environ).warnings(environ)
    assert [line.split(":")[0] for line in lines] == ["JWT_EXPECTED_ISSUER", "JWT_EXPECTED_AUDIENCE"]
    complete = environ | {"JWT_EXPECTED_ISSUER": "https://idp.example.com", "JWT_EXPECTED_AUDIENCE": "gateway"}
    assert Settings.load(complete).warnings(complete) == []


@pytest.mark.parametrize("key", ["k", "k" * 31])
def test_a_key_that_could_be_guessed_is_refused_without_showing_it(key: str, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(key)
    wanted = "expected at least 32 characters, such as `openssl rand -hex 32` prints"
    assert problems({"WSGATE_CACHE_KEY_FILE": str(file)}) == [f"WSGATE_CACHE_KEY: {wanted}"]


def test_the_key_of_the_token_cache_may_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("k" * 32 + "\n")
    key = Settings.load({"WSGATE_CACHE_KEY_FILE": str(file)}).wsgate_cache_key
    assert key is not None and key.get_secret_value() == "k" * 32


def test_every_setting_has_a_doc_and_every_number_bounds_and_a_unit() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description and field.description.endswith("."), name
        if isinstance(field.default, int):
            assert isinstance(field.json_schema_extra, dict) and "unit" in field.json_schema_extra, name
            assert len(field.metadata) == 2, name


NAMES = [name for name in environment_names() if not name.endswith("_FILE")]


@given(st.dictionaries(st.sampled_from(NAMES), st.text(max_size=12), max_size=6))
def test_any_environment_is_accepted_or_refused_by_naming_its_settings(environ: dict[str, str]) -> None:
    try:
        Settings.load(environ)
    except SettingsError as error:
        assert {line.split(":")[0] for line in error.problems} <= environ.keys()
