"""TokenRevocation objects become records with their scope."""

import json
import math

from wsgate_contract.revocation import RevocationRecord
from wsgate_contract.revocation_log import member_of
from wsgate_operator.resources.metadata import parse_date_time
from wsgate_operator.resources.tokenrevocation import TokenRevocation
from wsgate_operator.translate.options import Options

RECORD_BYTES_MAX = 8 * 1024
"""As canonical JSON, in ASCII: no text of the longest fields takes as much, but of rare characters."""
LONG_FIELD_BYTES = 1024


def invalidity_of_revocation(revocation: TokenRevocation, options: Options) -> str | None:
    """Why the object cannot be acted on, with the way out, or None."""
    if not revocation.spec.has_matcher and revocation.metadata.namespace != options.root_namespace:
        return _issuers_past_elsewhere(options)
    record = record_of(revocation, options)
    size = len(member_of(record))
    return None if size <= RECORD_BYTES_MAX else _too_long(record, size)


def _issuers_past_elsewhere(options: Options) -> str:
    return (
        "issuer with issuedBefore alone revokes all older tokens of an issuer and counts only in the root "
        f'namespace "{options.root_namespace}": create it there, or add subject, jti, sessionID, '
        "tokenSHA256 or claim"
    )


def _too_long(record: RevocationRecord, size: int) -> str:
    sizes = {name: len(json.dumps(value)) for name, value in record.to_document().items()}
    longest = ", ".join(f"spec.{name} ({bytes_})" for name, bytes_ in sizes.items() if bytes_ > LONG_FIELD_BYTES)
    return (
        f"the revocation takes {size} bytes as JSON, and Redis, which keeps all of them in memory, takes one of "
        f"{RECORD_BYTES_MAX}; the long fields are {longest}, where a character outside ASCII takes 6 or 12: "
        "use fewer or shorter ones, such as tokenSHA256 alone"
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
