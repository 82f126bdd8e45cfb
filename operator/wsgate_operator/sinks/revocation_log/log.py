"""The writer of the revocation log: makes set and stream in Redis what is wanted, and looks that they stay so."""

import asyncio
import logging
import uuid
from collections.abc import Callable, Collection
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wsgate_contract.revocation import RevocationRecord
from wsgate_contract.revocation_log import Keys, record_of_member
from wsgate_operator.sinks.revocation_log.connect import bounded
from wsgate_operator.sinks.revocation_log.fault import Reason, RevocationLogError
from wsgate_operator.sinks.revocation_log.plan import Damage, Found, State, Write, judge, next_write, rewrite
from wsgate_operator.sinks.revocation_log.transaction import commit, is_as_known, is_still_known, read_found

if TYPE_CHECKING:
    from redis.asyncio import Redis

VERIFY_SECONDS = 2.0
"""How often the caller should verify()."""
FULL_CHECK_SECONDS = 30.0
"""How often verify() compares each member."""
WRITE_SECONDS = 5.0
"""Longest time for one transaction: a whole set of some MB must fit; silence is given up after CALL_SECONDS."""
ATTEMPTS_MAX = 5
"""Of one transaction, when others keep changing what it builds upon."""

_log = logging.getLogger("wsgate.operator")


@dataclass(frozen=True)
class Published:
    """What stands in Redis, as it was just written or verified."""

    epoch: str
    count: int
    digest: str
    cursor: str
    """Id of the newest log entry; a pod whose lease names it, or a later one, has applied everything."""
    events: tuple[RevocationRecord, ...]
    """Events in force that stand in the set without having been asked for: the caller lacks them."""
    changes: int = 0
    """Members added and removed; all of them, if the set was written anew."""
    damage: Damage | None = None
    """Why the set was written anew; None: it was not."""


class RevocationLog:
    """publish() with each change, verify() every VERIFY_SECONDS; calls wait for one another.

    clock answers Unix seconds. Both raise RevocationLogError, and are bounded in time. After an error what
    stands in Redis counts as unknown: the next call reads all of it and writes what lacks.
    """

    def __init__(
        self, client: "Redis", keys: Keys, clock: Callable[[], float], new_epoch: Callable[[], str] | None = None
    ) -> None:
        self._client = client
        self._keys = keys
        self._clock = clock
        self._new_epoch = new_epoch or (lambda: str(uuid.uuid4()))
        self._lock = asyncio.Lock()
        self._desired: frozenset[str] | None = None
        self._state: State | None = None
        self._last_cursor: str | None = None
        self._compared_at = float("-inf")

    async def publish(self, desired: AbstractSet[str], settled: Collection[str] = ()) -> Published:
        """Make these members the set, and remove the settled texts from the inbox in the same transaction.

        What another operator left is built upon if it is sound, else written anew. An event that is in
        force stays even if it is not among the desired. settled comes from the latest Events.fold(), once.
        """
        async with self._lock:
            self._desired = frozenset(desired)
            return await self._publish(self._desired, settled)

    async def verify(self) -> Published:
        """Look whether everything stands as it was published, and put it right at once where it does not."""
        async with self._lock:
            if self._desired is None:
                raise RuntimeError("publish() comes before verify()")
            if self._state is not None and await self._stands(self._state):
                return _published(self._state, self._desired)
            self._state = None
            return await self._publish(self._desired, ())

    async def _stands(self, state: State) -> bool:
        now = self._clock()
        # Also when the clock was set back.
        whole = not 0 <= now - self._compared_at < FULL_CHECK_SECONDS
        try:
            async with bounded(WRITE_SECONDS):
                stands = await is_as_known(self._client, self._keys, state, whole=whole)
        except RevocationLogError as error:
            if error.reason is not Reason.FOREIGN:
                raise
            return False
        if stands and whole:
            self._compared_at = now
        return stands

    async def _publish(self, desired: frozenset[str], settled: Collection[str]) -> Published:
        changes = failures = 0
        damage: Damage | None = None
        while True:
            try:
                step = await self._step(desired, settled)
            except RevocationLogError as error:
                failures += 1
                if error.reason not in (Reason.CONTENDED, Reason.FOREIGN) or failures == ATTEMPTS_MAX:
                    raise
                continue
            changes, damage = changes + step.changes, step.write.damage or damage
            if step.write.is_last:
                return _published(step.state, desired, changes, damage)

    async def _step(self, desired: frozenset[str], settled: Collection[str]) -> "_Step":
        """One transaction, which the server refuses if anybody changed what it builds upon."""
        # Unknown until the server has answered, also if this is cancelled.
        known, self._state = self._state, None
        async with bounded(WRITE_SECONDS), self._client.pipeline() as pipe:
            await pipe.watch(self._keys.revocations, self._keys.log)
            if known is not None and await is_still_known(pipe, self._keys, known):
                write = next_write(known, desired, self._clock())
            else:
                write = self._plan(await read_found(pipe, self._keys), desired)
            cursor = await commit(pipe, self._keys, write, settled if write.is_last else ())
        state = replace(write.after, cursor=cursor or write.after.cursor)
        self._state, self._last_cursor = state, state.cursor
        if write.damage is not None:
            _tell_rewritten(write.damage, state)
        return _Step(state, write)

    def _plan(self, found: Found, desired: frozenset[str]) -> Write:
        now = self._compared_at = self._clock()
        judged = judge(found, self._last_cursor)
        if isinstance(judged, State):
            return next_write(judged, desired, now)
        return rewrite(found, judged, desired, now, self._new_epoch())


@dataclass(frozen=True)
class _Step:
    """A transaction that was done."""

    state: State
    write: Write

    @property
    def changes(self) -> int:
        return len(self.write.entries) if self.write.damage is None else self.state.digest.count


def _published(state: State, desired: frozenset[str], changes: int = 0, damage: Damage | None = None) -> Published:
    events = tuple(record_of_member(member) for member in state.members - desired)
    return Published(state.epoch, state.digest.count, state.digest.text, state.cursor, events, changes, damage)


def _tell_rewritten(damage: Damage, state: State) -> None:
    level = logging.INFO if damage is Damage.EMPTY else logging.WARNING
    fields = {"why": str(damage), "epoch": state.epoch, "records": state.digest.count}
    _log.log(level, "revocation-log-rewritten", extra={"fields": fields})
