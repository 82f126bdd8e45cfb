"""A fault in the log: said once while it lasts, and its end."""

import logging

from wsgate_operator.sinks.api_error import ApiError, Fault

_log = logging.getLogger("wsgate.operator")


class LastingFault:
    """Of one kind of call; another sort of fault is said anew."""

    def __init__(self, message: str) -> None:
        self._message = message
        self._fault: Fault | None = None

    def failed(self, error: ApiError) -> None:
        """A call failed."""
        if error.fault is not self._fault:
            _log.warning(self._message, extra={"fields": {"fault": str(error.fault), "detail": str(error)}})
        self._fault = error.fault

    def succeeded(self) -> None:
        """A call had its effect."""
        if self._fault is not None:
            _log.info(f"{self._message}: over", extra={"fields": {"fault": str(self._fault)}})
        self._fault = None
