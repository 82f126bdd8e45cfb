"""Who had a good token, as labels of a metric: at most a set number of different ones."""

from collections.abc import Mapping

from wsgate_dataplane.telemetry.identity import Mode, visible

IDENTITY_LABELS = ("sub", "preferred_username")
"""Claims, and the labels of the original gateway that hold them."""
OTHER = ("other", "")
"""Who comes when all places are taken."""
CHARACTERS_MAX = 256
"""Of a value; what differs only behind them counts as one."""


class IdentityLabels:
    """Gives places away first come, first served, for the life of the process; there is never a series more."""

    def __init__(self, places_max: int, log_identity: Mode) -> None:
        self._places_max = places_max
        self._log_identity = log_identity
        self._known: set[tuple[str, str]] = set()

    def of(self, payload: Mapping[str, object]) -> tuple[str, str]:
        """The values of IDENTITY_LABELS for a token's claims."""
        subject, username = (self._shown(payload.get(name)) for name in IDENTITY_LABELS)
        found = subject, username
        if found in self._known:
            return found
        if len(self._known) >= self._places_max:
            return OTHER
        self._known.add(found)
        return found

    def _shown(self, claim: object) -> str:
        if not isinstance(claim, str):
            return ""
        shown = (visible(claim, self._log_identity) or "")[:CHARACTERS_MAX]
        # A lone surrogate would make the whole page unreadable, and some readers end a line at a CR.
        return shown if shown.isprintable() else "".join(each if each.isprintable() else "?" for each in shown)
