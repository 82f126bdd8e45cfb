"""Whether an upstream is dialled at all after it has failed again and again. Pure.

    CLOSED ──failures in a row──► OPEN ──its time, or a good probe──► HALF OPEN ──trial succeeds──► CLOSED
                                   ▲                                     │
                                   └─────────────trial fails─────────────┘

Half open, one handshake at a time is the trial.
"""


class Circuit:
    """Of one upstream of one route; only its own faults count. Times are seconds of a monotonic clock."""

    __slots__ = (
        "_failures",
        "_failures_max",
        "_open_seconds",
        "_open_until",
        "_probe_seconds",
        "_trial",
        "probe_at",
    )

    def __init__(self, failures_max: int, open_seconds: float, probe_seconds: float) -> None:
        self._failures_max = failures_max
        self._open_seconds = open_seconds
        self._probe_seconds = probe_seconds
        self._failures = 0
        self._open_until: float | None = None
        """None: closed."""
        self._trial: object | None = None
        """Ticket of the one that is under way."""
        self.probe_at: float | None = None
        """When it may be looked at whether the upstream is back; None: there is nothing to look at."""

    def allows(self, now: float) -> bool:
        """Whether it may be dialled."""
        return self._open_until is None or (now >= self._open_until and self._trial is None)

    def seconds_left(self, now: float) -> float:
        """Until it may be dialled again, as far as that is known; 0: now, or when a trial ends."""
        return 0.0 if self._open_until is None else max(self._open_until - now, 0.0)

    def begin(self) -> object | None:
        """It is dialled; answers a ticket, for which succeeded(), failed() or abandoned() follows."""
        if self._open_until is None:
            return None
        self._trial = object()
        return self._trial

    def succeeded(self) -> None:
        """The upstream has answered, to whomever."""
        self._failures, self._open_until, self._trial, self.probe_at = 0, None, None, None

    def failed(self, ticket: object | None, now: float) -> bool:
        """The upstream was at fault; answers whether that opened the circuit."""
        is_trial = self.abandoned(ticket)
        if self._open_until is not None and not is_trial:
            # One that began before the circuit opened changes nothing.
            return False
        self._failures += 1
        if not is_trial and self._failures < self._failures_max:
            return False
        self._open_until = now + self._open_seconds
        self.probe_at = now + self._probe_seconds
        return True

    def abandoned(self, ticket: object | None) -> bool:
        """It ended by nobody's fault but the client's; answers whether it was the trial."""
        is_trial = ticket is not None and ticket is self._trial
        if is_trial:
            self._trial = None
        return is_trial

    def probed(self, now: float, *, is_back: bool) -> None:
        """What a look at an open circuit's upstream has found."""
        if self._open_until is None:
            return
        if is_back:
            self._open_until, self.probe_at = now, None
        else:
            self.probe_at = now + self._probe_seconds
