""".env.example has every variable of the original gateway, as wsgate reads it."""

from tests.compose.compose_file import ROOT, env_file
from wsgate_dataplane.settings import Settings

TEXT = (ROOT / ".env.example").read_text()
# The tables of the original's README, and one that its own example had.
ORIGINAL = {
    "INGRESS_HOST": "",
    "WS_ALLOWED_ORIGINS": "",
    "JWT_COOKIE_NAME": "session",
    "GRACEFUL_DRAIN_TIMEOUT_SECONDS": "30",
    "SHUTDOWN_HARD_LIMIT": "5",
    "JWKS_URL": "",
    "JWKS_TTL_MINUTES": "10",
    "JWT_EXPECTED_ISSUER": "",
    "JWT_EXPECTED_AUDIENCE": "",
    "JWT_VALID_ALGORITHMS": "RS256",
    "WS_IDLE_TIMEOUT_SECONDS": "60",
    "WS_WRITE_TIMEOUT_SECONDS": "10",
    "WS_CONTROL_TIMEOUT_SECONDS": "1",
    "CB_FAILURE_THRESHOLD": "5",
    "CB_OPEN_TIMEOUT_SECONDS": "60",
    "CB_HEALTHCHECK_INTERVAL_SECONDS": "30",
    "ROUTE_FILE": "/etc/ws-gw/routes.yaml",
    "WS_DIAL_RETRY_MAX": "3",
    "WS_DIAL_RETRY_INTERVAL_SECONDS": "2",
    "RATE_LIMIT_PER_SECOND": "10",
    "RATE_LIMIT_BURST": "30",
    "JWT_CACHE_STORE": "memory",
    "JWT_CACHE_PREFIX": "jwt_cached_token_",
    "REDIS_URL": "",
    "POSTGRES_DSN": "",
}


def test_every_variable_of_the_original_stands_there_with_its_default() -> None:
    assert env_file(TEXT) == ORIGINAL


def test_wsgate_reads_it_as_its_own_defaults() -> None:
    settings = Settings.load(env_file(TEXT))
    limits = {"rate_limit_per_second": 10, "rate_limit_burst": 30}
    assert settings == Settings.load({}).model_copy(update=limits)


def test_every_number_has_its_unit_and_every_variable_a_line_of_what_it_does() -> None:
    for block in TEXT.strip().split("\n\n")[2:]:
        *comment, assignment = block.splitlines()
        name = assignment.partition("=")[0]
        text = " ".join(line.removeprefix("# ") for line in comment)
        assert text, name
        extra = Settings.model_fields[name.lower()].json_schema_extra
        assert not isinstance(extra, dict) or str(extra["unit"]) in text, name
