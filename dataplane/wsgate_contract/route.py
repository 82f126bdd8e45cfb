"""What a route may say: the blocks of a WsRoute's spec, which the rendered file repeats."""

from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from wsgate_contract.client_certificate import ID_PATTERN
from wsgate_contract.model import Value
from wsgate_contract.template import CLIENT_ID_PATTERN, TEMPLATE_PATTERN

HOSTNAME_PATTERN = r"^(\*\.)?[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$"
PREFIX_PATTERN = r"^/([A-Za-z0-9._~!$&'()*+,;=:@%-]+(/[A-Za-z0-9._~!$&'()*+,;=:@%-]+)*)?$"
UPSTREAM_PATTERN = (
    r"^wss?://([A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*|\[[0-9a-fA-F:.]+\])(:[0-9]{1,5})?(/[^\s#?]*)?(\?[^\s#]*)?$"
)
HTTP_URL_PATTERN = r"^https?://[^\s#]+$"
ORIGIN_PATTERN = r"^(https?://[^\s/?#]+|\*\.[a-z0-9.-]+)$"
CLAIM_PATTERN = r'^("[^"]+"|[^".:/\s]+)(\.("[^"]+"|[^".:/\s]+)){0,7}$'
HEADER_PATTERN = r"^[A-Za-z][A-Za-z0-9-]*$"
SECRET_NAME_PATTERN = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"

Hostname = Annotated[str, Field(max_length=253, pattern=HOSTNAME_PATTERN)]
UpstreamURL = Annotated[str, Field(min_length=6, max_length=2048, pattern=UPSTREAM_PATTERN)]
HttpURL = Annotated[str, Field(min_length=8, max_length=2048, pattern=HTTP_URL_PATTERN)]
Name = Annotated[str, Field(min_length=1, max_length=256)]
HeaderName = Annotated[str, Field(max_length=64, pattern=HEADER_PATTERN)]
ClaimPath = Annotated[str, Field(min_length=1, max_length=256, pattern=CLAIM_PATTERN)]
PEM = Annotated[str, Field(min_length=1, max_length=65536)]
Seconds = Annotated[int, Field(ge=1, le=86400)]
HeldSeconds = Annotated[int, Field(ge=1, le=60)]
"""While one side waits, the gateway holds the other's connection or bytes."""

TokenSource = Literal["Header", "Cookie", "Query", "SubProtocol", "MQTTPassword", "FirstMessage"]
Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]


class SecretRef(Value):
    """A Secret in the namespace of the object that names it."""

    name: str = Field(min_length=1, max_length=253, pattern=SECRET_NAME_PATTERN, description="Name of the Secret.")


class WeightedUpstream(Value):
    """One of several upstreams of a route."""

    url: UpstreamURL = Field(description="Where to connect: ws:// or wss://.")
    weight: int = Field(default=1, ge=0, le=1000, description="Share of the new sessions, relative to the others.")


class JWKS(Value):
    """Where the signing keys of an issuer come from; neither field: OIDC discovery at the issuer."""

    uri: HttpURL | None = Field(default=None, description="URL of the JSON Web Key Set (RFC 7517).")
    inline: str | None = Field(
        default=None,
        min_length=2,
        max_length=65536,
        description="The JSON Web Key Set itself, as JSON text. Excludes uri.",
    )
    ca_bundle: PEM | None = Field(
        default=None,
        description="PEM certificates that uri's server must chain to; default: the system's.",
    )

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.uri is not None and self.inline is not None:
            raise PydanticCustomError("jwks_exclusive", "uri and inline exclude each other; keep one")
        return self


class Introspection(Value):
    """Token introspection (RFC 7662) for opaque tokens."""

    url: HttpURL = Field(description="The introspection endpoint.")
    credentials_ref: SecretRef = Field(description="Secret with the keys clientID and clientSecret.")
    cache_seconds: int = Field(default=30, ge=0, le=3600, description="How long an answer is kept.")


class Provider(Value):
    """An identity provider whose tokens the route accepts."""

    issuer: str = Field(min_length=1, max_length=2048, description="The iss claim, compared byte for byte.")
    jwks: JWKS = Field(default=JWKS(), description="The issuer's signing keys; empty: found by OIDC discovery.")
    audiences: tuple[Name, ...] = Field(
        min_length=1,
        max_length=32,
        description='Accepted aud values, one is enough; ["*"] accepts every audience.',
    )
    authorized_parties: tuple[Name, ...] = Field(
        default=(), max_length=32, description="Accepted azp values; empty: not checked."
    )
    algorithms: tuple[Algorithm, ...] = Field(
        default=("RS256",), min_length=1, max_length=10, description="Accepted JWS algorithms."
    )
    introspection: Introspection | None = Field(default=None, description="Ask the issuer about opaque tokens.")


class RequiredClaim(Value):
    """A claim that must be there, with one of the values."""

    claim: ClaimPath = Field(
        description='Dotted path, for example realm_access.roles; quote a segment with dots: "a.b".c.'
    )
    any_of: tuple[Annotated[str, Field(max_length=256)], ...] = Field(
        min_length=1,
        max_length=64,
        description="The claim, or one element of it, equals one of these.",
    )


class ClaimToHeader(Value):
    """A claim that is sent to the upstream as a header."""

    claim: ClaimPath = Field(description="Dotted path of the claim.")
    header: HeaderName = Field(description="Name of the header.")


class RoleForwarding(Value):
    """How the token's roles reach the upstream."""

    header: HeaderName = Field(default="X-User-Roles", description="Header on raw sessions.")
    user_property: Name = Field(
        default="roles", description="User property on MQTT 5 sessions, one for each role."
    )


class Forward(Value):
    """What of the client's identity reaches the upstream."""

    authorization: Literal["Forward", "Strip"] = Field(
        default="Forward", description="Whether the Authorization header is sent upstream."
    )
    claim_to_headers: tuple[ClaimToHeader, ...] = Field(
        default=(), max_length=32, description="Claims sent as headers."
    )
    roles: RoleForwarding = Field(default=RoleForwarding(), description="Roles sent upstream.")
    mqtt_password: Literal["Keep", "Strip"] = Field(
        default="Keep", description="Whether an MQTT password that was the token is sent upstream."
    )
    first_message: Literal["Strip", "Forward"] = Field(
        default="Strip", description="Whether a first message that was the token is sent upstream."
    )
    request_headers: tuple[HeaderName, ...] = Field(
        default=(),
        max_length=32,
        description="Further request headers of the client to send upstream.",
    )


class Expiry(Value):
    """When a live session ends because of its token's age."""

    mode: Literal["Token", "Session"] = Field(
        default="Token",
        description="Token: close at exp plus leeway. Session: exp counts at the handshake only; "
        "needs maxSessionSeconds.",
    )
    leeway_seconds: int = Field(default=30, ge=0, le=300, description="Clock difference granted.")
    max_session_seconds: int | None = Field(
        default=None,
        ge=1,
        le=2592000,
        description="Longest session, shortened by up to 10 % at random.",
    )

    @model_validator(mode="after")
    def _session_is_bounded(self) -> Self:
        if self.mode == "Session" and self.max_session_seconds is None:
            raise PydanticCustomError(
                "session_unbounded", "mode Session needs maxSessionSeconds, for example 28800"
            )
        return self


class Auth(Value):
    """Who may open a session on the route."""

    mode: Literal["Required", "Anonymous"] = Field(
        default="Required", description="Anonymous: no token is asked for and none is checked."
    )
    providers: tuple[Provider, ...] = Field(
        default=(),
        max_length=16,
        description="Identity providers; empty: the gateway's environment's.",
    )
    token_sources: tuple[TokenSource, ...] = Field(
        default=("Header", "Cookie", "MQTTPassword"),
        min_length=1,
        max_length=6,
        description="Where a token may stand; MQTTPassword counts on MQTT sessions, FirstMessage on others.",
    )
    claims: tuple[RequiredClaim, ...] = Field(default=(), max_length=32, description="All of these must hold.")
    replay: Literal["Allow", "OncePerToken", "BindToIP"] = Field(
        default="Allow", description="Whether one token may open several sessions."
    )
    forward: Forward = Field(default=Forward(), description="What reaches the upstream.")
    expiry: Expiry = Field(default=Expiry(), description="When a session ends by age.")
    on_refusal: Literal["HTTP", "Close"] = Field(
        default="HTTP",
        description="How a refusal is told: an HTTP answer, or 101 and a Close frame (browsers "
        "cannot read an HTTP refusal).",
    )


class MQTTTopics(Value):
    """Topic filters that a session may use; {claim} is replaced by the claim's value."""

    publish: tuple[Name, ...] = Field(default=(), max_length=64, description="Filters for PUBLISH.")
    subscribe: tuple[Name, ...] = Field(default=(), max_length=64, description="Filters for SUBSCRIBE.")


class MQTT(Value):
    """Rules of MQTT sessions."""

    client_id: str = Field(
        default="Keep",
        alias="clientID",
        min_length=1,
        max_length=256,
        pattern=CLIENT_ID_PATTERN,
        description="Keep, Prefix (the subject and a colon are put before it) or a template such as "
        "{sub}-{clientID}: claims, clientID and userName.",
    )
    user_name: str | None = Field(
        default=None,
        min_length=1,
        max_length=256,
        pattern=TEMPLATE_PATTERN,
        description="Template of the user name sent upstream, such as {preferred_username}; unset: untouched.",
    )
    topics: MQTTTopics = Field(default=MQTTTopics(), description="Allowed topics; empty: any.")


class RateLimit(Value):
    """How much a client may send."""

    messages_per_second: int | None = Field(
        default=None,
        ge=1,
        le=1000000,
        description="Lasting rate of messages from a client; unset: RATE_LIMIT_PER_SECOND and RATE_LIMIT_BURST.",
    )
    burst: int | None = Field(
        default=None,
        ge=1,
        le=1000000,
        description="Messages at once after a pause; unset: one second's worth.",
    )
    bytes_per_second: int | None = Field(
        default=None,
        ge=1,
        le=10**12,
        description="Lasting rate of bytes from a client, as on the wire, one second's worth at once.",
    )
    key: Literal["Subject", "IP", "Connection"] = Field(
        default="Subject",
        description="Who shares one budget on the route. A token without a subject counts by IP, and IP by "
        "Connection where WSGATE_TRUSTED_PROXIES is unset.",
    )
    on_exceed: Literal["Throttle", "Close"] = Field(
        default="Throttle", description="Throttle: the client is read slower. Close: 1008 Rate limit exceeded."
    )

    @model_validator(mode="after")
    def _limits_something(self) -> Self:
        if self.messages_per_second is None and self.bytes_per_second is None:
            raise PydanticCustomError(
                "rate_missing", "nothing is limited; add messagesPerSecond or bytesPerSecond"
            )
        if self.burst is not None and self.messages_per_second is None:
            raise PydanticCustomError("burst_alone", "burst needs messagesPerSecond; add it or remove burst")
        return self


class Limits(Value):
    """Sizes and counts."""

    max_message_bytes: int = Field(
        default=1048576,
        ge=1,
        le=2**40,
        description="Largest message on the wire, in bytes; above: 1009.",
    )
    max_connections: int | None = Field(default=None, ge=1, le=10**7, description="Sessions of the route per pod.")
    max_connections_per_subject: int | None = Field(
        default=None,
        ge=1,
        le=10**7,
        description="Sessions of one subject on the route per pod; tokens without a sub are not counted.",
    )
    first_message_bytes: int = Field(
        default=65536, ge=16, le=16777216, description="Largest first message that carries a token."
    )
    first_message_seconds: int = Field(
        default=5, ge=1, le=60, description="Deadline of the first message that carries a token."
    )


class Timeouts(Value):
    """Deadlines in seconds; unset ones come from the gateway's environment."""

    connect_seconds: HeldSeconds = Field(default=5, description="TCP and TLS connect to the upstream.")
    handshake_seconds: HeldSeconds = Field(
        default=10, description="The upstream's 101, connect and retries included."
    )
    idle_seconds: Seconds | None = Field(
        default=None,
        description="A side that sends no frame for so long ends the session (1001); unset: "
        "WS_IDLE_TIMEOUT_SECONDS, 60.",
    )
    write_seconds: HeldSeconds | None = Field(
        default=None,
        description="A side that takes no bytes for so long ends the session; unset: "
        "WS_WRITE_TIMEOUT_SECONDS, 10.",
    )
    ping_seconds: Seconds | None = Field(
        default=None, description="A Ping after so much silence; unset: half of idleSeconds."
    )


class Retry(Value):
    """First dial only: a live session is never silently re-dialled."""

    attempts: int | None = Field(
        default=None,
        ge=0,
        le=20,
        description="Further dials after a failed one; unset: WS_DIAL_RETRY_MAX, 3.",
    )
    interval_seconds: int | None = Field(
        default=None,
        ge=0,
        le=60,
        description="Between dials; unset: WS_DIAL_RETRY_INTERVAL_SECONDS, 2.",
    )


class CircuitBreaker(Value):
    """Per upstream; only the upstream's own faults count."""

    failures: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="Faults in a row that open it; unset: CB_FAILURE_THRESHOLD, 5.",
    )
    open_seconds: Seconds | None = Field(
        default=None, description="How long it stays open; unset: CB_OPEN_TIMEOUT_SECONDS, 60."
    )
    health_check_seconds: Seconds | None = Field(
        default=None,
        description="Between health checks; unset: CB_HEALTHCHECK_INTERVAL_SECONDS, 30.",
    )


class UpstreamTLS(Value):
    """How a wss:// upstream is verified."""

    ca_bundle: PEM | None = Field(
        default=None,
        description="PEM certificates that the upstream must chain to; default: the system's.",
    )
    server_name: str | None = Field(
        default=None,
        min_length=1,
        max_length=253,
        description="Name to verify; default: the URL's host.",
    )
    client_certificate_ref: SecretRef | None = Field(
        default=None,
        description="Secret of type kubernetes.io/tls with the client certificate that wss:// upstreams ask for.",
    )


class RoutePolicy(Value):
    """What to serve under a prefix, for whom, and how: the shared part of WsRoute and rendered route."""

    hostnames: tuple[Hostname, ...] = Field(
        default=(), max_length=16, description="Exact names or *.suffix; empty: any host."
    )
    prefix: str = Field(
        min_length=1,
        max_length=512,
        pattern=PREFIX_PATTERN,
        description="Path prefix by whole segments; the longest prefix wins, then the exact host. "
        "Reserved: /healthz and /.wsgate/.",
    )
    upstream: UpstreamURL | None = Field(
        default=None, description="Where sessions go: ws:// or wss://. Excludes upstreams."
    )
    upstreams: tuple[WeightedUpstream, ...] = Field(
        default=(), max_length=16, description="Several of them, with weights. Excludes upstream."
    )
    copy_sub_protocol: bool = Field(
        default=True,
        description="Offer the client's subprotocols upstream; false: none is offered and the client "
        "is answered with its first real one.",
    )
    preserve_query: bool = Field(default=True, description="Send the client's query string upstream.")
    append_path: bool = Field(default=False, description="Append what follows the prefix to the upstream's path.")
    host_header: Literal["Upstream", "Original"] = Field(
        default="Upstream", description="Host header sent upstream."
    )
    protocol: Literal["Auto", "Raw", "MQTT"] = Field(default="Auto", description="What the route carries.")
    auth: Auth = Field(default=Auth(), description="Who may open a session.")
    origins: tuple[Annotated[str, Field(max_length=512, pattern=ORIGIN_PATTERN)], ...] = Field(
        default=(),
        max_length=64,
        description="Allowed Origins: https://app.example.com or *.example.com; empty: the "
        "environment's WS_ALLOWED_ORIGINS, and without that any Origin for an explicit token.",
    )
    mqtt: MQTT = Field(default=MQTT(), description="Rules of MQTT sessions.")
    rate_limit: RateLimit | None = Field(default=None, description="How much a client may send.")
    limits: Limits = Field(default=Limits(), description="Sizes and counts.")
    timeouts: Timeouts = Field(default=Timeouts(), description="Deadlines.")
    retry: Retry = Field(default=Retry(), description="Retries of the first dial.")
    circuit_breaker: CircuitBreaker = Field(default=CircuitBreaker(), description="Circuit breaker.")
    upstream_tls: UpstreamTLS = Field(
        default=UpstreamTLS(), alias="upstreamTLS", description="How a wss:// upstream is verified."
    )
    on_change: Literal["Keep", "Drain", "Close"] = Field(
        default="Drain", description="Live sessions when their route changes or goes."
    )
    on_stale: Literal["Close", "Keep"] = Field(
        default="Close",
        description="While nothing confirms the revocations for too long, new sessions are refused (Close) "
        "or admitted (Keep).",
    )

    @model_validator(mode="after")
    def _one_upstream_form(self) -> Self:
        if (self.upstream is None) == (not self.upstreams):
            raise PydanticCustomError(
                "upstream_form", "exactly one of upstream and upstreams is needed; give one of them"
            )
        return self

    @property
    def targets(self) -> tuple[WeightedUpstream, ...]:
        """The upstreams in one form."""
        if self.upstream is not None:
            return (WeightedUpstream(url=self.upstream),)
        return self.upstreams


class Route(RoutePolicy):
    """One route of the rendered file."""

    namespace: str = Field(min_length=1, max_length=63, description="Namespace of the WsRoute.")
    name: str = Field(min_length=1, max_length=253, description="Name of the WsRoute.")
    destinations: Literal["Any", "Restricted"] = Field(
        default="Any",
        description="Restricted: a tenant's; a name outside its own namespace's Services must lead to a public "
        "address.",
    )
    yields: bool = Field(
        default=False,
        description="A tenant's route for any host: it serves no host that a route of another namespace names.",
    )
    client_certificate: str | None = Field(
        default=None,
        pattern=ID_PATTERN,
        description="Opaque id of the copy of the Secret that upstreamTLS.clientCertificateRef names.",
    )

    @cached_property
    def key(self) -> str:
        """namespace/name: what names the route everywhere."""
        return f"{self.namespace}/{self.name}"
