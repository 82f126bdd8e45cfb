"""The revocation record: what both components and every channel exchange."""

from pydantic import Field

from wsgate_contract.model import Value
from wsgate_contract.route import ClaimPath


class ClaimMatch(Value):
    """A claim with a value."""

    claim: ClaimPath = Field(description="Dotted path of the claim.")
    value: str = Field(max_length=256, description="The claim, or one element of it, equals this.")


class RevocationRecord(Value):
    """One revocation; every matcher that is given must match.

    Times are Unix seconds.
    """

    id: str = Field(min_length=1, max_length=512, description="namespace/name of the object, or an event's id.")
    namespace: str | None = Field(default=None, description="Touches routes of this namespace; none: all.")
    jti: str | None = None
    subject: str | None = None
    session_id: str | None = Field(default=None, alias="sessionID")
    token_sha256: str | None = Field(
        default=None,
        alias="tokenSHA256",
        description="Hex digest of the signing input header.payload.",
    )
    claim: ClaimMatch | None = None
    issuer: str | None = Field(default=None, description="Matches this issuer only; none: any.")
    issued_before: int | None = Field(default=None, description="Matches iat <= this; no iat counts as older.")
    expires_at: int | None = Field(default=None, description="In force until then; none: for ever.")
