"""Whether a record touches a session: the one rule, as a function of values."""

import base64
import functools
import json
from collections.abc import Mapping
from typing import Any

from wsgate_contract.revocation import RevocationRecord
from wsgate_dataplane.admission.claims import claim_values
from wsgate_dataplane.values import value


@value
class Identity:
    """What is kept of a session's token: all that a record can ask for.

    payload is the token's second segment as it came: a claim that no index knows is rare enough to
    be decoded when asked for.
    """

    namespace: str
    issuer: str | None = None
    subject: str | None = None
    jti: str | None = None
    session_id: str | None = None
    issued_at: int | None = None
    token_sha256: str | None = None
    payload: bytes = b""


def is_in_force(record: RevocationRecord, now: float) -> bool:
    """now in Unix seconds."""
    return record.expires_at is None or now < record.expires_at


def matches(record: RevocationRecord, identity: Identity) -> bool:
    """Every matcher that is given must match; a record without one matches nothing."""
    # Written out: a tenant may have thousands of records that each handshake is compared with.
    if (
        (record.namespace is not None and record.namespace != identity.namespace)
        or (record.issuer is not None and record.issuer != identity.issuer)
        or (record.subject is not None and record.subject != identity.subject)
        or (record.jti is not None and record.jti != identity.jti)
        or (record.session_id is not None and record.session_id != identity.session_id)
        or (record.token_sha256 is not None and record.token_sha256 != identity.token_sha256)
        or (record.issued_before is not None and not _is_older(identity.issued_at, record.issued_before))
    ):
        return False
    if record.claim is not None:
        return record.claim.value in claim_values(claims_of(identity.payload), record.claim.claim)
    narrow = (record.subject, record.jti, record.session_id, record.token_sha256)
    has_matcher = any(each is not None for each in narrow)
    return has_matcher or (record.issuer is not None and record.issued_before is not None)


def _is_older(issued_at: int | None, issued_before: int) -> bool:
    # A token that does not say when it was issued cannot prove that it is newer.
    return issued_at is None or issued_at <= issued_before


@functools.lru_cache(maxsize=64)
def claims_of(payload: bytes) -> Mapping[str, Any]:
    """What an Identity's payload says."""
    if not payload:
        return {}
    claims: Mapping[str, Any] = json.loads(base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)))
    return claims
