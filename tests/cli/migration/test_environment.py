"""Variables are judged by wsgate's own settings; secrets appear nowhere."""

import pytest

from wsgate_cli.migration.environment import Environment, judge
from wsgate_cli.migration.variables import SECRET_NAMES, Variable

CANARY = "hunter2"


def judged(*, secrets: bool = False, **values: str) -> Environment:
    variables = [
        Variable(name, value, "a.env", line, secrets or name in SECRET_NAMES)
        for line, (name, value) in enumerate(values.items(), 1)
    ]
    return judge(variables)


def test_known_variables_are_carried_over_and_empty_ones_are_not() -> None:
    found = judged(WS_IDLE_TIMEOUT_SECONDS="90", JWT_COOKIE_NAME="", JWKS_URL="https://idp.example.com/certs")
    assert found.plain == {"WS_IDLE_TIMEOUT_SECONDS": "90", "JWKS_URL": "https://idp.example.com/certs"}
    assert found.settings.ws_idle_timeout_seconds == 90
    assert not found.problems
    assert any(change.startswith("JWT_EXPECTED_ISSUER: unset") for change in found.changes)


@pytest.mark.parametrize(
    "name", ["UPSTREAM_WS_URL", "RAW_WS_BACKEND_URL", "MQTT_WS_BACKEND_URL", "MQTT_BACKEND_URL"]
)
def test_upstreams_by_protocol_are_explained(name: str) -> None:
    found = judge([Variable(name, f"ws://u:{CANARY}@backend:1", "a.env", 1)])
    assert (found.plain, found.secrets) == ({}, ())
    (change,) = found.changes
    assert change.startswith(f"{name}: upstreams by protocol are gone")
    assert "prefix: /ws" in change
    assert CANARY not in change


def test_what_wsgate_does_not_know_is_named_without_its_value() -> None:
    assert judged(GOMAXPROCS=CANARY).changes == ("GOMAXPROCS: not carried over, wsgate has no such setting",)


def test_the_place_of_the_routes_file_stays_behind() -> None:
    found = judged(ROUTE_FILE="/etc/ws-gw/routes.yaml")
    assert found.plain == {}
    assert found.changes[0].startswith("ROUTE_FILE: not carried over")


def test_any_origin_becomes_the_default_and_the_rule_for_cookies_is_told() -> None:
    found = judged(WS_ALLOWED_ORIGINS="*, https://app.example.com")
    assert found.plain == {}
    assert "cookie" in found.changes[0]
    assert judged(WS_ALLOWED_ORIGINS="*.example.com").plain == {"WS_ALLOWED_ORIGINS": "*.example.com"}


def test_symmetric_algorithms_are_left_out_unless_there_is_no_other() -> None:
    found = judged(JWT_VALID_ALGORITHMS="RS256, HS256,none")
    assert found.plain == {"JWT_VALID_ALGORITHMS": "RS256"}
    assert "asymmetric" in found.changes[0]
    (problem,) = judged(JWT_VALID_ALGORITHMS="HS256").problems
    assert "a.env:1: JWT_VALID_ALGORITHMS: HS256 is refused" in str(problem)


def test_a_value_that_wsgate_refuses_is_told_with_its_line_and_the_bounds() -> None:
    (problem,) = judged(A="1", WS_DIAL_RETRY_INTERVAL_SECONDS="120").problems
    assert str(problem).startswith(
        "a.env:2: WS_DIAL_RETRY_INTERVAL_SECONDS: expected at most 60 seconds, found '120'; correct it"
    )


@pytest.mark.parametrize(
    "name", ["JWT_VALID_ALGORITHMS", "WS_IDLE_TIMEOUT_SECONDS", "WS_ALLOWED_ORIGINS", "REDIS_URL"]
)
def test_a_bad_secret_is_told_without_its_value(name: str) -> None:
    (problem,) = judged(secrets=True, **{name: CANARY}).problems
    assert str(problem).startswith(f"a.env:1: {name}: ")
    assert CANARY not in str(problem)


def test_secrets_and_urls_with_a_password_are_kept_apart() -> None:
    found = judged(REDIS_URL=f"redis://:{CANARY}@r", JWKS_URL=f"https://u:{CANARY}@idp/certs", JWT_COOKIE_NAME="s")
    assert found.plain == {"JWT_COOKIE_NAME": "s"}
    assert [each.name for each in found.secrets] == ["REDIS_URL", "JWKS_URL"]
    assert CANARY not in repr(found)


def test_what_stands_below_secrets_is_one_whatever_its_name() -> None:
    found = judged(secrets=True, JWT_EXPECTED_ISSUER="https://idp.example.com")
    assert found.plain == {}
    assert found.settings.jwt_expected_issuer == "https://idp.example.com"


def test_one_name_with_two_values_must_be_decided() -> None:
    first, second = Variable("JWT_COOKIE_NAME", "a", "x.env", 3), Variable("JWT_COOKIE_NAME", "b", "y.env", 4)
    (problem,) = judge([first, second]).problems
    assert str(problem) == "y.env:4: JWT_COOKIE_NAME: is also set in x.env:3, to something else; keep one"
    assert not judge([first, first]).problems


def test_a_value_of_several_lines_is_refused_since_it_could_smuggle_in_a_variable() -> None:
    (problem,) = judged(JWT_EXPECTED_ISSUER="a\nWSGATE_ADMIN_TOKEN=b").problems
    assert "JWT_EXPECTED_ISSUER: holds a line break" in str(problem)


def test_the_file_of_a_secret_is_looked_for_where_the_gateway_runs() -> None:
    found = judged(REDIS_URL_FILE="/run/secrets/redis")
    assert not found.problems
    assert found.plain == {"REDIS_URL_FILE": "/run/secrets/redis"}


def test_a_shared_token_cache_is_told_to_need_a_key() -> None:
    (change,) = judged(JWT_CACHE_STORE="redis", REDIS_URL="redis://r").changes
    assert change.startswith("JWT_CACHE_STORE: redis needs a WSGATE_CACHE_KEY")
    assert judged(JWT_CACHE_STORE="redis", REDIS_URL="redis://r", WSGATE_CACHE_KEY="k" * 32).changes == ()
    assert judged(JWT_CACHE_STORE="memory").changes == ()


def test_an_address_of_postgresql_that_wsgate_does_not_read_is_told_without_it_where_it_counts() -> None:
    libpq = f"host=db user=gw password={CANARY}"
    (problem,) = judged(JWT_CACHE_STORE="postgres", POSTGRES_DSN=libpq).problems
    assert str(problem).startswith("a.env:2: POSTGRES_DSN: expected postgres://")
    assert CANARY not in str(problem)
    assert not judged(JWT_CACHE_STORE="redis", POSTGRES_DSN=libpq).problems
    assert not judged(JWT_CACHE_STORE="postgres", POSTGRES_DSN="postgres://gw@db/gw").problems
    assert not judged(JWT_CACHE_STORE="postgres").problems
