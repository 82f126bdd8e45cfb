"""What goes wrong at the API server, in one closed list, each with the way out."""

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

RETRY_AFTER_MAX_SECONDS = 60.0
"""A server that asks for more is asked again anyway."""
DETAIL_MAX = 500
"""Characters of the server's own words."""


class Fault(StrEnum):
    """Why a call had no effect, or an unknown one."""

    UNREACHABLE = "Unreachable"
    TIMEOUT = "Timeout"
    UNAUTHORIZED = "Unauthorized"
    FORBIDDEN = "Forbidden"
    NOT_FOUND = "NotFound"
    CONFLICT = "Conflict"
    GONE = "Gone"
    TOO_LARGE = "TooLarge"
    INVALID = "Invalid"
    THROTTLED = "Throttled"
    SERVER = "Server"
    UNEXPECTED = "Unexpected"

    @property
    def is_of_the_server(self) -> bool:
        """Whether the next call, about another object, would likely fail as well."""
        return self in _OF_THE_SERVER


_OF_THE_SERVER = frozenset(
    {Fault.UNREACHABLE, Fault.TIMEOUT, Fault.UNAUTHORIZED, Fault.THROTTLED, Fault.SERVER, Fault.UNEXPECTED}
)

_BY_STATUS = {
    400: Fault.INVALID,
    401: Fault.UNAUTHORIZED,
    403: Fault.FORBIDDEN,
    404: Fault.NOT_FOUND,
    409: Fault.CONFLICT,
    410: Fault.GONE,
    413: Fault.TOO_LARGE,
    422: Fault.INVALID,
    429: Fault.THROTTLED,
}

_WAYS_OUT = {
    Fault.UNREACHABLE: "check the API server's address, its certificate and the network policies",
    Fault.TIMEOUT: "it is slow or the network drops packets; it is tried again",
    Fault.UNAUTHORIZED: "the token is not accepted: mount the service account's own, of this cluster",
    Fault.FORBIDDEN: "grant it to the operator's service account by a Role or ClusterRole, unless a quota, "
    "an admission policy or the end of the namespace forbids it",
    Fault.NOT_FOUND: "create the namespace or apply the CustomResourceDefinitions, unless the object was "
    "just deleted",
    Fault.CONFLICT: "somebody else changed the object meanwhile; it is read anew and tried again",
    Fault.GONE: "the version that was asked for is too old; it is listed anew",
    Fault.TOO_LARGE: "use fewer or shorter objects",
    Fault.INVALID: "apply the CustomResourceDefinitions of this release, delete a ConfigMap that was made "
    "immutable, else report this as a defect",
    Fault.THROTTLED: "the API server asks for a pause; it is tried again after it",
    Fault.SERVER: "see the API server's log; it is tried again",
    Fault.UNEXPECTED: "is this address an API server's?",
}

_TOO_LARGE_WORDS = ("too large", "too long: may not be more than", "larger than max")
"""Too much for the API server, for a ConfigMap's validation, for etcd: 413, 422 or 500."""


class ApiError(Exception):
    """A call that failed; retry_after is the pause in seconds that the server asks for."""

    def __init__(self, fault: Fault, call: str, detail: str, retry_after: float | None = None) -> None:
        super().__init__(f"cannot {call}: {detail}; {_WAYS_OUT[fault]}")
        self.fault = fault
        self.call = call
        self.retry_after = retry_after


def error_of_answer(call: str, status: int, headers: Mapping[str, str], body: bytes) -> ApiError:
    """The error for an HTTP answer beyond 2xx; call names verb and resource."""
    told = _told(body)
    words = str(told.get("message") or body[:DETAIL_MAX].decode(errors="replace").strip() or "no reason given")
    detail = f"{status} {words[:DETAIL_MAX]}"
    return ApiError(_fault(status, words), call, detail, _retry_after(headers, told))


def _fault(status: int, words: str) -> Fault:
    if status in (413, 422, 500) and any(each in words.lower() for each in _TOO_LARGE_WORDS):
        return Fault.TOO_LARGE
    if status >= 500:
        return Fault.SERVER
    return _BY_STATUS.get(status, Fault.UNEXPECTED)


def _told(body: bytes) -> dict[str, Any]:
    """The Status object; empty where something in between answered."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _retry_after(headers: Mapping[str, str], told: Mapping[str, Any]) -> float | None:
    details = told.get("details")
    given = headers.get("Retry-After") or (details.get("retryAfterSeconds") if isinstance(details, dict) else None)
    # As a date, which API servers do not send, it is ignored.
    if given is None or not str(given).isdecimal():
        return None
    return min(float(str(given)[:9]), RETRY_AFTER_MAX_SECONDS)
