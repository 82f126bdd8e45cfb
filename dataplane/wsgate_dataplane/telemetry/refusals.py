"""The last refusals, kept so that somebody can ask later why a client was turned away."""

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

from wsgate_dataplane.outcomes.table import OUTCOMES, Reason
from wsgate_dataplane.telemetry.identity import Mode, visible

REFUSALS_MAX = 1000
"""How many are kept; the oldest makes room."""
TEXT_CHARACTERS_MAX = 512
"""Of a detail, path or subject, so that strangers cannot choose how much memory the ring takes."""

# A compact token begins with the base64url of '{"' or '{ ': some clients put theirs into the path.
_TOKEN = re.compile(r"ey[JA][A-Za-z0-9_=-]{8,}(?:(?:\.|%2[Ee])[A-Za-z0-9_=-]*)*")


@dataclass(frozen=True, slots=True)
class Refusal:
    """One request that became no session."""

    time: float
    """Unix seconds."""
    request_id: str
    reason: Reason
    detail: str
    """What was expected and what was found."""
    path: str
    address: str
    status: int | None
    """Also where the client was told by a Close; None: a first message's fault, which has none."""
    route: str | None = None
    """None: no route was found."""
    subject: str | None = None
    """Of a token that was verified; in the ring it stands as WSGATE_LOG_IDENTITY lets it."""

    @property
    def advice(self) -> str:
        """One sentence: what to do."""
        return OUTCOMES[self.reason].advice


class RefusalRing:
    """A bounded memory of refusals; it holds no token, and of an identity what the log may show."""

    def __init__(self, log_identity: Mode, limit: int = REFUSALS_MAX) -> None:
        self._log_identity = log_identity
        self._ring: deque[Refusal] = deque(maxlen=limit)

    def __len__(self) -> int:
        return len(self._ring)

    @property
    def keeps_subjects(self) -> bool:
        """Whether find() can be asked for a subject."""
        return self._log_identity != "none"

    def add(self, refusal: Refusal) -> None:
        """Keep one refusal, bounded and without what may not be kept."""
        kept = replace(
            refusal,
            detail=_bounded(refusal.detail),
            path=_bounded(refusal.path),
            subject=self._subject(refusal.subject),
        )
        self._ring.append(kept)

    def find(
        self, request_id: str | None = None, subject: str | None = None, limit: int = REFUSALS_MAX
    ) -> tuple[Refusal, ...]:
        """The newest first, at most limit; None asks for any. subject is the plain one, however it is kept."""
        wanted = self._subject(subject)
        if subject is not None and wanted is None:
            return ()
        return tuple(islice(self._matching(request_id, wanted), limit))

    def _matching(self, request_id: str | None, subject: str | None) -> Iterator[Refusal]:
        for refusal in reversed(self._ring):
            if request_id in (None, refusal.request_id) and subject in (None, refusal.subject):
                yield refusal

    def _subject(self, plain: str | None) -> str | None:
        shown = visible(plain, self._log_identity)
        return None if shown is None else shown[:TEXT_CHARACTERS_MAX]


def _bounded(text: str) -> str:
    # Masked first: a token that was cut might not look like one any more.
    return _TOKEN.sub("<token>", text)[:TEXT_CHARACTERS_MAX]
