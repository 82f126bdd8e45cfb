"""TokenRevocation objects become records with their scope."""

import math

from wsgate_contract.revocation import RevocationRecord
from wsgate_operator.resources.metadata import parse_date_time
from wsgate_operator.resources.tokenrevocation import TokenRevocation
from wsgate_operator.translate.options import Options


def invalidity_of_revocation(revocation: TokenRevocation, options: Options) -> str | None:
    """Why the object cannot be acted on, with the way out, or None."""
    if revocation.spec.has_matcher or revocation.metadata.namespace == options.root_namespace:
        return None
    return (
        "issuer with issuedBefore alone revokes all older tokens of an issuer and counts only in the root "
        f'namespace "{options.root_namespace}": create it there, or add subject, jti, sessionID, '
        "tokenSHA256 or claim"
    )


def record_of(revocation: TokenRevocation, options: Options) -> RevocationRecord:
    """The record that the data plane matches."""
    spec, namespace = revocation.spec, revocation.metadata.namespace
    return RevocationRecord(
        id=revocation.key,
        namespace=None if namespace == options.root_namespace else namespace,
        jti=spec.jti,
        subject=spec.subject,
        session_id=spec.session_id,
        token_sha256=spec.token_sha256,
        claim=spec.claim,
        issuer=spec.issuer,
        issued_before=_floor_seconds(spec.issued_before),
        expires_at=_ceil_seconds(spec.expires_at),
    )


def _floor_seconds(text: str | None) -> int | None:
    # iat is compared in whole seconds, so a fraction never decides.
    return None if text is None else math.floor(parse_date_time(text).timestamp())


def _ceil_seconds(text: str | None) -> int | None:
    # Up: a revocation never ends early.
    return None if text is None else math.ceil(parse_date_time(text).timestamp())
