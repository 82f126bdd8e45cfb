"""What wsgate does otherwise than the original whatever the files say, for people to read once."""

ALWAYS = (
    "/metrics: moves from port 8080 to the admin listener, port 9090 (127.0.0.1 only in wsgate standalone)",
    "/admin/revoke: moves to the admin listener and needs a bearer token: set WSGATE_ADMIN_TOKEN or "
    "WSGATE_ADMIN_TOKEN_FILE, without which it answers 403",
    "/healthz: stays on port 8080; the admin listener has /livez and /readyz beside it",
    "choice of the route: the longest prefix wins, by whole segments, no longer the first that fits as text; "
    "/mqtt does not serve /mqttx",
    "Origin: a token in a cookie is admitted only from an Origin that WS_ALLOWED_ORIGINS or spec.origins lists, "
    "or that is https:// and the route's hostname or INGRESS_HOST",
    "exp: is enforced during the session, which ends 30 s after it with 1008 (spec.auth.expiry)",
    "a revoked token: is refused when it comes back, not only closed",
    "refusals: a token in the handshake that is not good is answered with an HTTP status before the 101, no "
    "longer with 1008 after it; spec.auth.onRefusal: Close brings that back",
    "message size: 1 MiB, 1009 above it (spec.limits.maxMessageBytes); the original had no limit",
    "WS_DIAL_RETRY_MAX: counts the dials after the first; the original counted the first too",
    "rate limit: each subject has its own on each route; in memory the original had one for all clients",
    "a lost upstream: ends the session with 1014, it is not dialled again behind the client's back",
    "circuit breaker: one for each upstream, and clients that leave do not count; the original had one in all",
    "roles on MQTT: a user property of MQTT 5, never a part of the user name",
    "metrics: ws_auth_success_total has the labels sub and preferred_username only where "
    "WSGATE_METRICS_IDENTITY_LABELS_MAX is set",
    "client addresses: X-Forwarded-For is believed only from WSGATE_TRUSTED_PROXIES; while that is unset, nothing "
    "is counted by address",
    "stopping: sessions are closed with 1012 over 80 % of GRACEFUL_DRAIN_TIMEOUT_SECONDS; give the pod that time "
    "and 15 s more (terminationGracePeriodSeconds)",
)

NO_PROVIDER = (
    "JWKS_URL: was not in what was read: set it for the data plane, and WSGATE_HAS_ENVIRONMENT_PROVIDER=true for "
    "the operator, or the routes are refused as having no provider"
)
PROVIDER = (
    "JWKS_URL: a cluster's operator needs WSGATE_HAS_ENVIRONMENT_PROVIDER=true beside it (the chart sets it)"
)

SECRET_HINTS = {
    "REDIS_URL": "into the Secret wsgate-redis, keys operator-url and dataplane-url (revocations), and into one "
    "that REDIS_URL of the data plane's environment names (rate limits, token cache)",
    "WSGATE_ADMIN_TOKEN": "into the Secret wsgate-admin, key token",
}
"""Where manifests/base looks for it."""
SECRET_HINT = "into a Secret that the data plane's environment names"
