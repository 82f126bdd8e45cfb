"""The answer to a refused request: its RFC 9457 body and its headers. Pure."""

from wsgate_dataplane.outcomes.table import OUTCOMES, Reason

PROBLEM_CONTENT_TYPE = "application/problem+json"

WEBSOCKET_VERSION = "13"
REALM = "wsgate"


def status(reason: Reason) -> int:
    """The HTTP status before the 101; a reason that cannot occur there is a defect, hence 500."""
    return OUTCOMES[reason].http or 500


def problem(reason: Reason, request_id: str) -> dict[str, str | int]:
    """The body: the same for everybody refused for this reason.

    What was found (Refused.detail) stays in the log: it may tell a stranger what the gateway expects.
    """
    outcome = OUTCOMES[reason]
    return {
        "type": f"urn:wsgate:outcome:{reason}",
        "title": outcome.words or str(reason).replace("-", " "),
        "status": status(reason),
        "detail": outcome.advice,
        "reason": str(reason),
        "request_id": request_id,
    }


def headers(reason: Reason, *, retry_after_seconds: int) -> dict[str, str]:
    """The headers that the status demands; retry_after_seconds goes with a 429 or 503."""
    match status(reason):
        case 401 | 403:
            return _challenge(reason)
        case 405:
            return {"Allow": "GET"}
        case 426:
            # RFC 9110 7.8: Upgrade needs the connection option; RFC 6455 4.4: the version we speak.
            return {
                "Upgrade": "websocket",
                "Connection": "Upgrade, close",
                "Sec-WebSocket-Version": WEBSOCKET_VERSION,
            }
        case 429 | 503:
            return {"Retry-After": str(retry_after_seconds)}
        case _:
            return {}


def _challenge(reason: Reason) -> dict[str, str]:
    challenge = f'Bearer realm="{REALM}"'
    if reason is Reason.TOKEN_CLAIM_MISSING:
        challenge += ', error="insufficient_scope"'
    elif not reason.startswith("token-"):
        return {}
    elif reason is not Reason.TOKEN_MISSING:
        # RFC 6750 3.1: a request without any credentials gets no error code.
        challenge += ', error="invalid_token"'
    return {"WWW-Authenticate": challenge}
