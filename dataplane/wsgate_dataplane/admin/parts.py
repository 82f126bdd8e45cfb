"""What the admin API needs of the rest of the process."""

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pydantic import SecretStr

from wsgate_contract.revocation import RevocationRecord
from wsgate_contract.route import Route
from wsgate_dataplane.registry.registry import Registry
from wsgate_dataplane.registry.session import Session
from wsgate_dataplane.revocation.view import RevocationView
from wsgate_dataplane.snapshot.files import InvalidRoute
from wsgate_dataplane.telemetry.identity import Mode
from wsgate_dataplane.telemetry.refusals import RefusalRing


class Inbox(Protocol):
    """Where a record goes that entered at this process."""

    async def append(self, record: RevocationRecord) -> None:
        """Return when the record is safe: it outlives this process. Raises any Exception when it may not be."""
        ...


class NoInbox:
    """Where neither Redis nor a journal takes records: nothing can be revoked through this process."""

    async def append(self, record: RevocationRecord) -> None:
        """Raises always."""
        raise ConnectionError("no inbox: set WSGATE_REVOCATION_REDIS_URL, or create a TokenRevocation instead")


class Served(Protocol):
    """A route that is served."""

    @property
    def route(self) -> Route:
        """As rendered."""
        ...


class Catalogue(Protocol):
    """The routes of one version."""

    @property
    def version(self) -> int:
        """Of the rendered file."""
        ...

    @property
    def servings(self) -> Mapping[str, Served]:
        """By the route's key."""
        ...

    @property
    def invalid(self) -> Sequence[InvalidRoute]:
        """Those that could not be served in their newest form; the last good one may be in servings."""
        ...


@dataclass(frozen=True)
class AdminParts:
    """Everything that the API shows and acts on."""

    pod: str
    """Name of this process in answers: which one of several was asked."""
    token: SecretStr | None
    """The bearer token; None or empty: every request is refused with the setting's name."""
    event_revocation_seconds: int
    """How long a record that enters here is in force."""
    log_identity: Mode
    registry: Registry
    session_expires_at: Callable[[Session], float | None]
    """When the session ends by age, in Unix seconds; None: it does not."""
    catalogue: Callable[[], Catalogue]
    view: RevocationView
    stale_seconds: float
    """After which a view that nothing confirmed is shown as stale."""
    refusals: RefusalRing
    inbox: Inbox
    apply: Callable[[RevocationRecord], int]
    """Take a recorded revocation into this process's view, then end its sessions; returns how many."""
    drain: Callable[[], float]
    """Take no new sessions and tell the open ones to go; returns the seconds in which all are told."""
    now: Callable[[], float] = time.time
    """Unix seconds."""
    new_id: Callable[[], uuid.UUID] = uuid.uuid4
