"""Flags become a TokenRevocation that the gateway accepts, or an error that names the flag; pure."""

import copy
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

from wsgate_cli.plugin.flags import TOKEN_FLAG_ADVICE, FlagError, holds_token
from wsgate_cli.plugin.held_token import HeldToken
from wsgate_operator.resources.invalid import FieldError, InvalidObject
from wsgate_operator.resources.metadata import API_VERSION, parse_date_time
from wsgate_operator.resources.parse import parse_object

GENERATE_NAME = "revocation-"
"""Of an object without a name; the API server appends five characters."""
LAST_SECOND = 253402300799
"""The end of the year 9999, after which RFC 3339 has no date."""
SELECTORS = "--jti, --subject, --session-id, --token-file, --claim"

_CLAIM = re.compile(r'((?:"[^"]*"|[^"=])+)=(.*)', re.DOTALL)
_FLAGS: Mapping[tuple[str, ...], str] = {
    ("metadata", "name"): "NAME",
    ("metadata", "namespace"): "--namespace",
    ("spec", "jti"): "--jti",
    ("spec", "subject"): "--subject",
    ("spec", "sessionID"): "--session-id",
    ("spec", "tokenSHA256"): "--token-file",
    ("spec", "claim"): "--claim",
    ("spec", "issuer"): "--issuer",
    ("spec", "issuedBefore"): "--issued-before",
    ("spec", "expiresAt"): "--expires-at",
    ("spec", "reason"): "--reason",
    ("spec", "gatewayName"): "--gateway-name",
}


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What was asked for, as it was typed; lasts in seconds."""

    name: str | None = None
    namespace: str | None = None
    jti: str | None = None
    subject: str | None = None
    is_ban: bool = False
    session_id: str | None = None
    token: HeldToken | None = None
    claim: str | None = None
    issuer: str | None = None
    issued_before: str | None = None
    lasts: int | None = None
    expires_at: str | None = None
    reason: str | None = None
    gateway_name: str | None = None

    @property
    def names_one_login(self) -> bool:
        """Whether a token or a login is named, so that a later login of the user is not meant anyway."""
        return not (self.jti is None and self.session_id is None and self.token is None)

    @property
    def has_matcher(self) -> bool:
        """Whether something other than issuer and time selects tokens."""
        return self.names_one_login or self.subject is not None or self.claim is not None


def to_document(wanted: Wanted, now: float) -> dict[str, Any]:
    """The object, without its namespace, which kubectl knows; now in Unix seconds; raises FlagError."""
    _refuse_what_cannot_be_meant(wanted)
    spec = {
        "jti": wanted.jti,
        "subject": wanted.subject,
        "sessionID": wanted.session_id,
        "tokenSHA256": wanted.token.sha256 if wanted.token else None,
        "claim": _claim(wanted.claim) if wanted.claim is not None else None,
        "issuer": wanted.issuer,
        "issuedBefore": _issued_before(wanted, now),
        "expiresAt": _expires_at(wanted, now),
        "reason": _reason(wanted.reason) if wanted.reason is not None else None,
        "gatewayName": wanted.gateway_name,
    }
    metadata = {"generateName": GENERATE_NAME} if wanted.name is None else {"name": wanted.name}
    document = {
        "apiVersion": API_VERSION,
        "kind": "TokenRevocation",
        "metadata": metadata,
        "spec": {name: value for name, value in spec.items() if value is not None},
    }
    _validate(document, wanted, now)
    return document


def _refuse_what_cannot_be_meant(wanted: Wanted) -> None:
    for field in fields(wanted):
        _refuse_text(field.name, getattr(wanted, field.name))
    if wanted.is_ban and wanted.subject is None:
        raise FlagError("--ban: bans a subject; add --subject, or leave --ban out")
    if wanted.is_ban and wanted.issued_before is not None:
        raise FlagError(
            "--ban, --issued-before: a ban holds for newer tokens too; leave --ban out to kick, or "
            "--issued-before to ban"
        )
    if wanted.lasts is not None and wanted.expires_at is not None:
        raise FlagError("--for, --expires-at: both say when it ends; give one of them")
    if not wanted.has_matcher:
        _refuse_without_matcher(wanted)


def _refuse_text(name: str, value: object) -> None:
    if not isinstance(value, str):
        return
    flag = "NAME" if name == "name" else f"--{name.replace('_', '-')}"
    if not value:
        raise FlagError(f"{flag}: empty; give a value, or leave it out")
    if holds_token(value):
        raise FlagError(f"{flag}: this is a token; {TOKEN_FLAG_ADVICE}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise FlagError(f"{flag}: not UTF-8; check the encoding of the terminal or the script") from None


def _refuse_without_matcher(wanted: Wanted) -> None:
    if wanted.issuer is None and wanted.issued_before is None:
        raise FlagError(f"nothing selects a token; give one of {SELECTORS}, or --issuer with --issued-before")
    if wanted.issued_before is None:
        raise FlagError(f"--issuer alone selects no token; add one of {SELECTORS}, or --issued-before")
    if wanted.issuer is None:
        raise FlagError(f"--issued-before alone selects no token; add one of {SELECTORS}, or --issuer")


def _issued_before(wanted: Wanted, now: float) -> str | None:
    if wanted.issued_before == "now":
        return _moment(math.floor(now))
    is_kick = wanted.subject is not None and not wanted.is_ban and not wanted.names_one_login
    if wanted.issued_before is None and is_kick:
        return _moment(math.floor(now))
    return wanted.issued_before


def _expires_at(wanted: Wanted, now: float) -> str | None:
    if wanted.expires_at is not None:
        return wanted.expires_at
    if wanted.lasts is not None:
        end = math.ceil(now) + wanted.lasts
        if end > LAST_SECOND:
            raise FlagError("--for: ends after the year 9999; leave it out: the object counts while it exists")
        return _moment(end)
    safe_end = wanted.token.safe_end(now) if wanted.token else None
    return None if safe_end is None or safe_end > LAST_SECOND else _moment(safe_end)


def _claim(text: str) -> dict[str, str]:
    found = _CLAIM.fullmatch(text)
    if found is None:
        raise FlagError(
            "--claim: expected PATH=VALUE such as tenant=acme or realm_access.roles=admin; put a segment with "
            "dots in double quotes: '\"https://example.com/roles\"=admin'"
        )
    return {"claim": found[1], "value": found[2]}


def _reason(text: str) -> dict[str, str]:
    code, _, words = (part.strip() for part in text.partition(":"))
    return {"code": code, "text": words} if words else {"code": code}


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _validate(document: dict[str, Any], wanted: Wanted, now: float) -> None:
    whole = copy.deepcopy(document)
    # The API server makes a name of this form, and kubectl adds the namespace.
    whole["metadata"] = {"name": document["metadata"].get("name", f"{GENERATE_NAME}x")}
    if wanted.namespace is not None:
        whole["metadata"]["namespace"] = wanted.namespace
    try:
        parse_object(whole)
    except InvalidObject as error:
        raise FlagError("\n".join(_in_flags(each, wanted) for each in error.errors)) from None
    end = document["spec"].get("expiresAt")
    if end is not None and parse_date_time(end).timestamp() <= now:
        raise FlagError(f"--expires-at: {end} is past, so nothing would be revoked; give a later moment, or --for")


def _in_flags(error: FieldError, wanted: Wanted) -> str:
    if error.location[:2] == ("spec", "reason"):
        return f"--reason: {error.message}; {error.fix}; your own words follow a colon: Unspecified:my words"
    if error.location == ("spec",):
        # The one rule between fields that no check above has caught.
        flag = "--expires-at" if wanted.lasts is None else "--for"
        return f"{flag}, --issued-before: the revocation would end before what it matches; let it end later"
    flag = _FLAGS.get(tuple(str(part) for part in error.location[:2]), error.path)
    return f"{flag}: {error.message}; {error.fix}"
