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
        self._trial = False
        self.probe_at: float | None = None
        """When it may be looked at whether the upstream is back; None: there is nothing to look at."""

    def allows(self, now: float) -> bool:
        """Whether it may be dialled."""
        return self._open_until is None or (now >= self._open_until and not self._trial)

    def seconds_left(self, now: float) -> float:
        """Until it may be dialled again, as far as that is known; 0: now, or when a trial ends."""
        return 0.0 if self._open_until is None else max(self._open_until - now, 0.0)

    def begin(self) -> None:
        """It is dialled; succeeded(), failed() or abandoned() follows."""
        self._trial = self._open_until is not None

    def succeeded(self) -> None:
        """The upstream has answered."""
        self._failures, self._open_until, self._trial, self.probe_at = 0, None, False, None

    def failed(self, now: float) -> bool:
        """The upstream was at fault; answers whether that opened the circuit."""
        self._failures += 1
        was_trial, self._trial = self._trial, False
        is_late = self._open_until is not None and not was_trial
        if is_late or (not was_trial and self._failures < self._failures_max):
            # One that began before the circuit opened changes nothing.
            return False
        self._open_until = now + self._open_seconds
        self.probe_at = now + self._probe_seconds
        return True

    def abandoned(self) -> None:
        """It ended by nobody's fault but the client's."""
        self._trial = False

    def probed(self, now: float, *, is_back: bool) -> None:
        """What a look at an open circuit's upstream has found."""
        if self._open_until is None:
            return
        if is_back:
            self._open_until, self.probe_at = now, None
        else:
            self.probe_at = now + self._probe_seconds
