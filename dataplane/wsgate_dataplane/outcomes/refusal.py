"""A refusal: one reason and what was found, raised anywhere before the 101 and answered in one place."""

from wsgate_dataplane.outcomes.table import OUTCOMES, Outcome, Reason


class Refused(Exception):
    """The client is not admitted.

    detail says what was expected and what was found, for the log and `wsgate check`; it is never
    sent to the client and never holds a token.
    """

    def __init__(self, reason: Reason, detail: str = "", retry_after_seconds: int | None = None) -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail
        self.retry_after_seconds = retry_after_seconds
        """When it makes sense to ask again; None: the one who answers chooses."""
        self.subject: str | None = None
        """Of the token, once its signature was found good."""

    @property
    def outcome(self) -> Outcome:
        """The reason's row."""
        return OUTCOMES[self.reason]
