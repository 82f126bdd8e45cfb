"""The life of one session, from its registration before the dial to its end.

    PENDING ──opened──► OPEN ──end──► ENDING ──relay gone──► OVER
       └──end: the handshake refuses with that reason──────────┘

The first reason wins: what happens after it (a lost peer during our Close, say) is its consequence.
"""

from enum import Enum
from typing import Literal

from wsgate_dataplane.outcomes.table import OUTCOMES, Reason
from wsgate_dataplane.values import value

ClosedBy = Literal["client", "upstream", "gateway"]


class Phase(Enum):
    """See the module's docstring."""

    __hash__ = object.__hash__  # Enum's own is a Python function

    PENDING = "pending"
    OPEN = "open"
    ENDING = "ending"
    OVER = "over"


# Names of their own: to look a member up in its class takes ten times as long.
PENDING, OPEN, ENDING, OVER = Phase
BY_UPSTREAM, BY_CLIENT = Reason.UPSTREAM_CLOSED, Reason.CLIENT_CLOSED

TRANSITIONS: dict[Phase, frozenset[Phase]] = {
    PENDING: frozenset({OPEN, ENDING, OVER}),
    OPEN: frozenset({ENDING, OVER}),
    ENDING: frozenset({OVER}),
    OVER: frozenset(),
}


@value
class CloseBoth:
    """Command: tell both sides."""

    code: int
    words: str


@value
class Ended:
    """What is reported of a session that is over."""

    reason: Reason
    closed_by: ClosedBy
    code: int | None
    """The Close code that the client saw or sent; None: it saw none."""
    detail: str


class Lifecycle:
    """Events in, at most one command out."""

    __slots__ = ("_closed_by", "_detail", "_reason", "phase")

    def __init__(self) -> None:
        self.phase = PENDING
        self._reason: Reason | None = None
        self._closed_by: ClosedBy = "gateway"
        self._detail = ""

    @property
    def refusal(self) -> Reason | None:
        """Why a session that was still pending must not be opened."""
        return self._reason

    def ended_by(self, reason: Reason, detail: str) -> bool:
        """Whether it ended for that reason, with that detail."""
        return self._reason is reason and self._detail == detail

    def opened(self) -> None:
        """The relay has taken over."""
        self._become(OPEN)

    def end(self, reason: Reason, detail: str = "", closed_by: ClosedBy = "gateway") -> CloseBoth | None:
        """Something ends the session; the command is for the relay, if there is one and it must speak."""
        if self.phase not in (PENDING, OPEN):
            return None
        was_open = self.phase is OPEN
        self._reason, self._detail, self._closed_by = reason, detail, closed_by
        self._become(ENDING)
        outcome = OUTCOMES[reason]
        if not was_open or outcome.close is None:
            return None
        return CloseBoth(outcome.close, outcome.words)

    def over(self, first_close: Literal["client", "upstream"] | None, code: int | None) -> Ended:
        """Both connections are gone; first_close and code tell whose Close frame passed first."""
        if self._reason is None:
            reason = BY_UPSTREAM if first_close == "upstream" else BY_CLIENT
            self._reason, self._closed_by = reason, first_close or "client"
        else:
            code = OUTCOMES[self._reason].close
        self._become(OVER)
        return Ended(self._reason, self._closed_by, code, self._detail)

    def _become(self, phase: Phase) -> None:
        assert phase in TRANSITIONS[self.phase], f"{self.phase} to {phase}"
        self.phase = phase
