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


TRANSITIONS: dict[Phase, frozenset[Phase]] = {
    Phase.PENDING: frozenset({Phase.OPEN, Phase.ENDING, Phase.OVER}),
    Phase.OPEN: frozenset({Phase.ENDING, Phase.OVER}),
    Phase.ENDING: frozenset({Phase.OVER}),
    Phase.OVER: frozenset(),
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
        self.phase = Phase.PENDING
        self._reason: Reason | None = None
        self._closed_by: ClosedBy = "gateway"
        self._detail = ""

    @property
    def refusal(self) -> Reason | None:
        """Why a session that was still pending must not be opened."""
        return self._reason

    def opened(self) -> None:
        """The relay has taken over."""
        self._become(Phase.OPEN)

    def end(self, reason: Reason, detail: str = "", closed_by: ClosedBy = "gateway") -> CloseBoth | None:
        """Something ends the session; the command is for the relay, if there is one and it must speak."""
        if self.phase not in (Phase.PENDING, Phase.OPEN):
            return None
        was_open = self.phase is Phase.OPEN
        self._reason, self._detail, self._closed_by = reason, detail, closed_by
        self._become(Phase.ENDING)
        outcome = OUTCOMES[reason]
        if not was_open or outcome.close is None:
            return None
        return CloseBoth(outcome.close, outcome.words)

    def over(self, first_close: Literal["client", "upstream"] | None, code: int | None) -> Ended:
        """Both connections are gone; first_close and code tell whose Close frame passed first."""
        if self._reason is None:
            reason = Reason.UPSTREAM_CLOSED if first_close == "upstream" else Reason.CLIENT_CLOSED
            self._reason, self._closed_by = reason, first_close or "client"
        else:
            code = OUTCOMES[self._reason].close
        self._become(Phase.OVER)
        return Ended(self._reason, self._closed_by, code, self._detail)

    def _become(self, phase: Phase) -> None:
        assert phase in TRANSITIONS[self.phase], f"{self.phase} to {phase}"
        self.phase = phase
