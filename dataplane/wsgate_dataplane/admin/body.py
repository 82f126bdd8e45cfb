"""A request's JSON body as a checked value."""

import asyncio
from typing import TypeVar

from aiohttp import web
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from wsgate_contract.model import Value
from wsgate_dataplane.admin.answers import AdminProblem, Fault
from wsgate_dataplane.identity.strict_json import StrictJSONError, parse_object

BODY_BYTES_MAX = 16_384
BODY_SECONDS_MAX = 5
FAULTS_NAMED_MAX = 5

Body = TypeVar("Body", bound=Value)


async def read_body(request: web.Request, kind: type[Body], example: str) -> Body:
    """At most BODY_BYTES_MAX bytes of JSON as a value of that kind.

    Raises AdminProblem that names each field at fault, quotes nothing and ends with the example.
    """
    return parse_body(await _read(request, example), kind, example)


def parse_body(body: bytes, kind: type[Body], example: str) -> Body:
    """See read_body."""
    try:
        return kind.from_document(parse_object(body))
    except StrictJSONError as error:
        raise AdminProblem(Fault.BODY_INVALID, f"body: {error}; send {example}.") from None
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)[:FAULTS_NAMED_MAX]
        named = "; ".join(f"{_field(each['loc'][0], kind)}: {_wording(each, kind)}" for each in faults)
        raise AdminProblem(Fault.BODY_INVALID, f"{named}. Send {example}.") from None


async def _read(request: web.Request, example: str) -> bytes:
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
        raise AdminProblem(Fault.BODY_INVALID, f"body: more than {BODY_BYTES_MAX} bytes; send {example}.")
    return bytes(body)


def _field(name: int | str, kind: type[Value]) -> str:
    # A stranger's name for a field is shown short, and never as it is.
    return str(name) if name in kind.model_fields else repr(str(name)[:40])


def _wording(fault: ErrorDetails, kind: type[Value]) -> str:
    match fault["type"]:
        case "missing":
            return "missing"
        case "extra_forbidden":
            return f"no such field, there are {', '.join(kind.model_fields)}"
        case "string_too_short":
            return "empty"
        case "string_type":
            return "not a string"
        case _:
            return fault["msg"].lower()
