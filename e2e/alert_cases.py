"""When each alert of manifests/observability must fire, and when not yet, as series of samples every 5 s."""

from collections.abc import Mapping
from dataclasses import dataclass

STEP_SECONDS = 5
HEALTHY_SECONDS = 1800
"""Within the 400 samples that every series has."""

SOON = "0x3 1x400"
"""0 at first, something else from second 20 on."""
GROWING = "0+1x400"
MINUTE = 60

HEALTHY: Mapping[str, str] = {
    **{
        series.replace("POD", pod): values
        for pod in ("a", "b")
        for series, values in {
            'wsgate_revocation_fenced{instance="POD"}': "0x400",
            # The test's time begins at 0.
            'wsgate_revocation_confirmed_timestamp_seconds{instance="POD",channel="redis"}': "0+5x400",
            'wsgate_revocation_confirmed_timestamp_seconds{instance="POD",channel="file"}': "0x400",
            'wsgate_operator_present{instance="POD"}': "1x400",
            'wsgate_revocation_redis_faults_total{instance="POD",cause="unreachable"}': "0x400",
            'wsgate_config_version{instance="POD",content="routes"}': "7x400",
            'wsgate_config_reload_failures_total{instance="POD",content="routes"}': "0x400",
            'wsgate_proxy_headers_refused_total{instance="POD",cause="malformed"}': "0x400",
            'ws_active_sessions{instance="POD"}': "500x400",
            'ws_connections_total{instance="POD"}': "0+20x400",
            'ws_refusals_total{instance="POD",reason="token-expired"}': "0+2x400",
            'ws_refusals_total{instance="POD",reason="unexpected"}': "0x400",
            'ws_closes_total{instance="POD",reason="unexpected"}': "0x400",
            'ws_refusals_total{instance="POD",reason="keys-unavailable"}': "0x400",
            'ws_refusals_total{instance="POD",reason="route-invalid"}': "0x400",
            'ws_refusals_total{instance="POD",reason="route-full"}': "0x400",
            'ws_refusals_total{instance="POD",reason="too-many-failures"}': "0x400",
            'ws_refusals_total{instance="POD",reason="upstream-timeout"}': "0x400",
            'ws_circuit_open_total{instance="POD",protocol="raw"}': "0x400",
            'ws_rate_limit_violations_total{instance="POD"}': "0x400",
            'ws_revocation_to_close_seconds_bucket{instance="POD",le="0.1"}': GROWING,
            'ws_revocation_to_close_seconds_bucket{instance="POD",le="0.5"}': GROWING,
            'ws_revocation_to_close_seconds_bucket{instance="POD",le="+Inf"}': GROWING,
        }.items()
    },
    'wsgate_operator_routes_version{instance="o"}': "7x400",
    'wsgate_operator_redis_up{instance="o"}': "1x400",
    'wsgate_operator_records_left_out{instance="o"}': "0x400",
    'wsgate_operator_inbox_records{instance="o"}': "3x400",
    'wsgate_operator_inbox_refused_total{instance="o"}': "0x400",
    'wsgate_operator_listed_timestamp_seconds{instance="o"}': "0+5x400",
    'wsgate_operator_render_failures_total{instance="o"}': "0x400",
    'wsgate_operator_status_failures_total{instance="o"}': "0x400",
    'wsgate_operator_defects_total{instance="o",task="decide"}': "0x400",
    'wsgate_operator_held_objects{instance="o",kind="WsRoute"}': "0x400",
    'wsgate_operator_configmap_restored_total{instance="o",content="routes"}': "0x400",
}
"""Two pods and an operator that are well, one refusal in ten because of an old token included."""


@dataclass(frozen=True)
class Case:
    """What makes an alert fire: series that replace or join the healthy ones."""

    alert: str
    series: Mapping[str, str]
    quiet_at: int
    """Seconds; it does not fire yet."""
    fires_at: int
    """Seconds; it fires at the latest."""


def _pod(metric: str, labels: str, values: str) -> Mapping[str, str]:
    """A series of the pod a."""
    return {f'{metric}{{instance="a"{"," if labels else ""}{labels}}}': values}


def _operator(metric: str, labels: str, values: str) -> Mapping[str, str]:
    return {f'wsgate_operator_{metric}{{instance="o"{"," if labels else ""}{labels}}}': values}


def _refused(reason: str, values: str = GROWING) -> Mapping[str, str]:
    return _pod("ws_refusals_total", f'reason="{reason}"', values)


GONE = "0x3 stale"
"""Scraped no more from second 20 on."""
SLOW = {
    **_pod("ws_revocation_to_close_seconds_bucket", 'le="0.5"', GROWING),
    **_pod("ws_revocation_to_close_seconds_bucket", 'le="1"', "0+10x400"),
    **_pod("ws_revocation_to_close_seconds_bucket", 'le="+Inf"', "0+10x400"),
}
BOTH_GONE = {f'wsgate_revocation_fenced{{instance="{pod}"}}': GONE for pod in ("a", "b")}
AWAY = {f'wsgate_operator_present{{instance="{pod}"}}': "1x3 0x400" for pod in ("a", "b")}
DROPPED = {f'ws_active_sessions{{instance="{pod}"}}': "500x120 20x400" for pod in ("a", "b")}

CASES = (
    Case("WsgateRevocationsFenced", _pod("wsgate_revocation_fenced", "", SOON), 15, 20),
    Case(
        "WsgateRevocationsUnconfirmed",
        _pod("wsgate_revocation_confirmed_timestamp_seconds", 'channel="redis"', "0x400"),
        40,
        45,
    ),
    Case("WsgateOperatorAway", AWAY, 15, 20),
    Case("WsgateOperatorNotScraped", _operator("routes_version", "", GONE), 25, 30),
    Case("WsgateDataPlaneNotScraped", BOTH_GONE, 25, 30),
    Case("WsgateRedisNotWritten", _operator("redis_up", "", "1x3 0x400"), 75, 80),
    Case(
        "WsgateRedisNotRead",
        _pod("wsgate_revocation_redis_faults_total", 'cause="unreachable"', GROWING),
        4 * MINUTE,
        6 * MINUTE,
    ),
    Case("WsgateClosesSlow", SLOW, 4 * MINUTE, 6 * MINUTE),
    Case("WsgateRevocationsLeftOut", _operator("records_left_out", "", SOON), 15, 20),
    Case("WsgateInboxNotFolded", _operator("inbox_records", "", "2000x400"), 4 * MINUTE, 5 * MINUTE),
    Case("WsgateInboxRefused", _operator("inbox_refused_total", "", SOON), 15, 25),
    Case("WsgateObjectsNotListed", _operator("listed_timestamp_seconds", "", "0x400"), 10 * MINUTE, 12 * MINUTE),
    Case("WsgateResultsNotWritten", _operator("render_failures_total", "", GROWING), 5, MINUTE),
    Case("WsgateStatusesNotWritten", _operator("status_failures_total", "", GROWING), 30, 2 * MINUTE),
    Case("WsgateOperatorDefect", _operator("defects_total", 'task="decide"', SOON), 15, 25),
    Case("WsgateObjectsHeld", _operator("held_objects", 'kind="WsRoute"', SOON), 15, 20),
    Case("WsgateConfigMapsEdited", _operator("configmap_restored_total", 'content="routes"', SOON), 15, 25),
    Case(
        "WsgateRoutesNotApplied",
        {
            **_operator("routes_version", "", "8x400"),
            'wsgate_config_version{instance="b",content="routes"}': "8x400",
        },
        4 * MINUTE,
        5 * MINUTE,
    ),
    Case("WsgateFileNotApplied", _pod("wsgate_config_reload_failures_total", 'content="routes"', SOON), 120, 150),
    Case("WsgateDefect", _refused("unexpected", SOON), 15, 25),
    Case("WsgateKeysUnavailable", _refused("keys-unavailable"), 4 * MINUTE, 6 * MINUTE),
    Case("WsgateRouteInvalid", _refused("route-invalid"), 4 * MINUTE, 6 * MINUTE),
    Case("WsgateUpstreamsFail", _refused("upstream-timeout", "0+5x400"), 4 * MINUTE, 6 * MINUTE),
    Case("WsgateCircuitsOpen", _pod("ws_circuit_open_total", 'protocol="raw"', SOON), 15, 25),
    Case("WsgateMostRefused", _refused("token-issuer", "0+25x400"), 9 * MINUTE, 11 * MINUTE),
    Case("WsgateSessionsLost", DROPPED, 10 * MINUTE, 12 * MINUTE),
    Case("WsgateTokensGuessed", _refused("too-many-failures", "0+10x400"), 4 * MINUTE, 8 * MINUTE),
    Case("WsgateLimitsReached", _refused("route-full"), 9 * MINUTE, 11 * MINUTE),
    Case("WsgateRateLimited", _pod("ws_rate_limit_violations_total", "", GROWING), 9 * MINUTE, 11 * MINUTE),
    Case(
        "WsgateProxyHeadersRefused",
        _pod("wsgate_proxy_headers_refused_total", 'cause="malformed"', GROWING),
        4 * MINUTE,
        6 * MINUTE,
    ),
    Case("WsgateTokenCacheAway", _pod("wsgate_token_cache_store_up", "", "1x3 0x400"), 4 * MINUTE, 6 * MINUTE),
    Case(
        "WsgateTokenCacheRejected",
        _pod("wsgate_token_cache_lookups_total", 'finding="rejected"', SOON),
        10,
        MINUTE,
    ),
)
