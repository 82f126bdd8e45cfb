"""TokenRevocation: tokens that no longer count."""

from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from wsgate_contract.model import Value
from wsgate_contract.revocation import ClaimMatch
from wsgate_operator.resources.metadata import DateTime, GatewayName, Resource, Status, parse_date_time

SHA256_PATTERN = r"^[0-9a-f]{64}$"
MATCHERS = ("jti", "subject", "sessionID", "tokenSHA256", "claim")
"""Each selects tokens by itself; issuer and issuedBefore narrow, or together select an issuer's past."""

ReasonCode = Literal[
    "Unspecified", "Logout", "Compromised", "CredentialChanged", "AccountDisabled", "PrivilegeWithdrawn"
]


class RevocationReason(Value):
    """Why, for people and the audit log; never sent to the client."""

    code: ReasonCode = Field(default="Unspecified", description="Why, in one word.")
    text: str = Field(default="", max_length=1024, description="Why, in your words.")


class TokenRevocationSpec(Value):
    """Which tokens are revoked; every matcher that is given must match."""

    jti: str | None = Field(
        default=None, min_length=1, max_length=512, description="The token's jti claim equals this."
    )
    subject: str | None = Field(
        default=None,
        min_length=1,
        max_length=1024,
        description="The sub claim equals this. Alone it bans the subject; with issuedBefore it only "
        "kicks: newer logins are good.",
    )
    session_id: str | None = Field(
        default=None,
        alias="sessionID",
        min_length=1,
        max_length=512,
        description="The sid claim equals this.",
    )
    token_sha256: str | None = Field(
        default=None,
        alias="tokenSHA256",
        pattern=SHA256_PATTERN,
        min_length=64,
        max_length=64,
        description="Hex SHA-256 of the token's signing input header.payload (an opaque token: of the "
        "whole), in lower case.",
    )
    claim: ClaimMatch | None = Field(default=None, description="A claim equals a value.")
    issuer: str | None = Field(
        default=None,
        min_length=1,
        max_length=2048,
        description="The iss claim equals this; unset: any issuer in scope. With issuedBefore alone (root "
        "namespace only): all of the issuer's older tokens.",
    )
    issued_before: DateTime | None = Field(
        default=None,
        description="RFC 3339. The iat claim is not later than this; a token without iat counts as older.",
    )
    expires_at: DateTime | None = Field(
        default=None,
        description="RFC 3339. In force until then; unset: while the object exists. The only field that "
        "may be changed.",
    )
    reason: RevocationReason = Field(default=RevocationReason(), description="Why; never sent to the client.")
    gateway_name: GatewayName = Field(
        default="wsgate",
        description="The gateway that acts on it (its WSGATE_GATEWAY_NAME). Immutable.",
    )

    @model_validator(mode="after")
    def _selects_tokens(self) -> Self:
        if self.has_matcher or (self.issuer is not None and self.issued_before is not None):
            return self
        if self.issuer is not None:
            raise PydanticCustomError(
                "matcher_missing",
                "issuer alone selects no token; add issuedBefore, or one of jti, subject, sessionID, "
                "tokenSHA256, claim",
            )
        if self.issued_before is not None:
            raise PydanticCustomError(
                "matcher_missing",
                "issuedBefore alone selects no token; add one of jti, subject, sessionID, tokenSHA256, "
                "claim, or (root namespace only) issuer",
            )
        raise PydanticCustomError(
            "matcher_missing",
            "nothing selects a token; add one of jti, subject, sessionID, tokenSHA256, claim",
        )

    @model_validator(mode="after")
    def _ends_after_what_it_matches(self) -> Self:
        if self.expires_at is None or self.issued_before is None:
            return self
        if parse_date_time(self.expires_at) <= parse_date_time(self.issued_before):
            raise PydanticCustomError(
                "expires_too_early",
                "expiresAt {expires} is not after issuedBefore {issued}; set a later expiresAt or leave it out",
                {"expires": self.expires_at, "issued": self.issued_before},
            )
        return self

    @property
    def has_matcher(self) -> bool:
        """Whether something other than issuer and issuedBefore selects tokens."""
        matchers = (self.jti, self.subject, self.session_id, self.token_sha256, self.claim)
        return any(matcher is not None for matcher in matchers)


class TokenRevocationStatus(Status):
    """State of a TokenRevocation; conditions Accepted, Published, Active."""

    target: str | None = Field(default=None, max_length=2048, description="What is revoked, in short.")
    scope: str | None = Field(
        default=None, max_length=253, description="The namespace whose routes it touches; *: all."
    )
    pods: int | None = Field(default=None, ge=0, description="Live data-plane pods.")
    acknowledged_pods: int | None = Field(default=None, ge=0, description="Pods that have applied it.")


class TokenRevocation(Resource):
    """Tokens that no longer count, from the handshake to the middle of a session."""

    kind: Literal["TokenRevocation"] = Field(description="TokenRevocation.")
    spec: TokenRevocationSpec = Field(description="What is wanted.")
    status: TokenRevocationStatus | None = Field(default=None, description="What is; written by the operator.")
