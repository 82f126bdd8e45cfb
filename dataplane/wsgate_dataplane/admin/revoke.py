"""POST /admin/revoke: a revocation enters here and counts on every pod."""

import asyncio
import logging

from aiohttp import web
from pydantic import Field

from wsgate_contract.model import Value
from wsgate_contract.revocation import RevocationRecord
from wsgate_contract.revocation_log import EVENT_PREFIX
from wsgate_dataplane.admin.answers import FACTS, AdminProblem, Fault, answer
from wsgate_dataplane.admin.body import read_body
from wsgate_dataplane.admin.parts import AdminParts
from wsgate_dataplane.outcomes.table import Reason
from wsgate_dataplane.telemetry.identity import visible

log = logging.getLogger("wsgate")

APPEND_SECONDS_MAX = 5
"""How long a caller waits for the inbox."""
RETRY_AFTER_SECONDS = 1

EXAMPLE = '{"sub": "user123", "jti": "abcde"}, or {"sub": "user123"} for all tokens issued so far'


class RevokeRequest(Value):
    """The body, as the original gateway took it, and iss; bounds as in a TokenRevocation."""

    sub: str = Field(min_length=1, max_length=1024)
    # Not "| None": a null jti comes from a script that lost it, and must not kick the whole subject.
    jti: str = Field(default="", min_length=1, max_length=512)
    iss: str = Field(default="", min_length=1, max_length=2048)

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
        wanted = await read_body(request, RevokeRequest, EXAMPLE)
        now = int(self._parts.now())
        record_id = f"{EVENT_PREFIX}{self._parts.new_id()}"
        record = wanted.to_record(record_id, now, self._parts.event_revocation_seconds)
        mode = self._parts.log_identity
        facts = request[FACTS]
        facts |= {"sub": visible(record.subject, mode), "jti": visible(record.jti, mode), "iss": record.issuer}
        # Once it is written another channel may bring it here before we come to act on it.
        touched = self._parts.registry.touched(record)
        await self._append(record)
        overtaken = sum(each.life.ended_by(Reason.TOKEN_REVOKED, record.id) for each in touched)
        closed = overtaken + self._parts.apply(record)
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
