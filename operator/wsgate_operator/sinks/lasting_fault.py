"""A fault in the log: said once while it lasts, and its end."""

import logging

_log = logging.getLogger("wsgate.operator")


class LastingFault:
    """Of one kind of work; another sort of fault is said anew."""

    def __init__(self, message: str) -> None:
        self._message = message
        self._fault: str | None = None

    def failed(self, fault: str, detail: str) -> None:
        """It failed: fault is the sort, detail tells the way out."""
        if fault != self._fault:
            _log.warning(self._message, extra={"fields": {"fault": fault, "detail": detail}})
        self._fault = fault

    def succeeded(self) -> None:
        """It had its effect."""
        if self._fault is not None:
            _log.info(f"{self._message}: over", extra={"fields": {"fault": self._fault}})
        self._fault = None
