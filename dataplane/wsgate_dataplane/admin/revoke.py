"""POST /admin/revoke: a revocation enters here and counts on every pod."""

import asyncio
import logging
from typing import Self

from aiohttp import web
from pydantic import Field, ValidationError
from pydantic_core import ErrorDetails

from wsgate_contract.model import Value
from wsgate_contract.revocation import RevocationRecord
from wsgate_contract.revocation_log import EVENT_PREFIX
from wsgate_dataplane.admin.answers import FACTS, AdminProblem, Fault, answer
from wsgate_dataplane.admin.parts import AdminParts
from wsgate_dataplane.identity.strict_json import StrictJSONError, parse_object
from wsgate_dataplane.telemetry.identity import visible

log = logging.getLogger("wsgate")

BODY_BYTES_MAX = 16_384
BODY_SECONDS_MAX = 5
APPEND_SECONDS_MAX = 5
"""How long a caller waits for the inbox."""
RETRY_AFTER_SECONDS = 1
FAULTS_NAMED_MAX = 5

EXAMPLE = '{"sub": "user123", "jti": "abcde"}, or {"sub": "user123"} for all tokens issued so far'


class RevokeRequest(Value):
    """The body, as the original gateway took it, and iss; bounds as in a TokenRevocation."""

    sub: str = Field(min_length=1, max_length=1024)
    # Not "| None": a null jti comes from a script that lost it, and must not kick the whole subject.
    jti: str = Field(default="", min_length=1, max_length=512)
    iss: str = Field(default="", min_length=1, max_length=2048)

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Raises AdminProblem that names each field at fault and quotes nothing."""
        try:
            return cls.from_document(parse_object(body))
        except StrictJSONError as error:
            raise AdminProblem(Fault.BODY_INVALID, f"body: {error}; send {EXAMPLE}.") from None
        except ValidationError as error:
            faults = error.errors(include_url=False, include_input=False)[:FAULTS_NAMED_MAX]
            named = "; ".join(f"{_field(each['loc'][0])}: {_wording(each)}" for each in faults)
            raise AdminProblem(Fault.BODY_INVALID, f"{named}. Send {EXAMPLE}.") from None

    def to_record(self, record_id: str, now: int, seconds: int) -> RevocationRecord:
        """With a jti that token; without one every token of the subject that was issued until now."""
        return RevocationRecord(
            id=record_id,
            subject=self.sub,
            jti=self.jti or None,
            issuer=self.iss or None,
            issued_before=None if self.jti else now,
            expires_at=now + seconds,
        )


class Revoke:
    """Records first, acts then: what was answered 202 outlives this process."""

    def __init__(self, parts: AdminParts) -> None:
        self._parts = parts

    async def serve(self, request: web.Request) -> web.Response:
        """202 with the record's id and how many sessions ended here; 400, 503 as AdminProblem."""
        wanted = RevokeRequest.parse(await read_body(request))
        now = int(self._parts.now())
        record_id = f"{EVENT_PREFIX}{self._parts.new_id()}"
        record = wanted.to_record(record_id, now, self._parts.event_revocation_seconds)
        mode = self._parts.log_identity
        facts = request[FACTS]
        facts |= {"sub": visible(record.subject, mode), "jti": visible(record.jti, mode), "iss": record.issuer}
        await self._append(record)
        closed = self._parts.apply(record)
        facts |= {"record": record.id, "closed": closed}
        return answer({"id": record.id, "closed": closed}, 202)

    async def _append(self, record: RevocationRecord) -> None:
        try:
            async with asyncio.timeout(APPEND_SECONDS_MAX):
                await self._parts.inbox.append(record)
        except Exception as error:
            # Whatever failed, nothing may be promised.
            fields = {"record": record.id, "error": str(error) or type(error).__name__}
            log.error("revocation not recorded", extra={"fields": fields})
            raise AdminProblem(
                Fault.NOT_RECORDED,
                "The revocation could not be recorded for certain, so nothing was closed; send it again, twice is "
                "harmless. The log says what failed.",
                {"Retry-After": str(RETRY_AFTER_SECONDS)},
            ) from error


async def read_body(request: web.Request) -> bytes:
    """At most BODY_BYTES_MAX bytes of JSON; raises AdminProblem."""
    if request.content_type != "application/json":
        raise AdminProblem(Fault.BODY_INVALID, "Content-Type: send application/json.")
    if "Content-Encoding" in request.headers:
        raise AdminProblem(Fault.BODY_INVALID, "Content-Encoding: send the body as it is, without compression.")
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS_MAX):
            while len(body) <= BODY_BYTES_MAX and (chunk := await request.content.readany()):
                body += chunk
    except TimeoutError:
        raise AdminProblem(Fault.BODY_INVALID, f"body: not complete within {BODY_SECONDS_MAX} s.") from None
    except (ConnectionError, web.RequestPayloadError) as error:
        # Nobody reads this any more, but the audit log shows it.
        raise AdminProblem(Fault.BODY_INVALID, "body: broken off.") from error
    if len(body) > BODY_BYTES_MAX:
        raise AdminProblem(Fault.BODY_INVALID, f"body: more than {BODY_BYTES_MAX} bytes; send {EXAMPLE}.")
    return bytes(body)


def _field(name: int | str) -> str:
    known = name in RevokeRequest.model_fields
    # A stranger's name for a field is shown short, and never as it is.
    return str(name) if known else repr(str(name)[:40])


def _wording(fault: ErrorDetails) -> str:
    match fault["type"]:
        case "missing":
            return "missing"
        case "extra_forbidden":
            return f"no such field, there are {', '.join(RevokeRequest.model_fields)}"
        case "string_too_short":
            return "empty"
        case "string_type":
            return "not a string"
        case _:
            return fault["msg"].lower()
