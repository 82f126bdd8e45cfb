"""Follow the revocation log and the inbox in Redis; the first channel."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Protocol

from wsgate_contract.revocation import RevocationRecord
from wsgate_contract.revocation_log import (
    EVENT_PREFIX,
    INBOX_RECORDS_MAX,
    RENEW_SECONDS,
    Keys,
    LogEntry,
    LogEntryError,
    PodLease,
    member_of,
    record_of_member,
)
from wsgate_dataplane.revocation.log_set import LogSet
from wsgate_dataplane.revocation.view import RevocationView
from wsgate_dataplane.settings import SettingsError
from wsgate_dataplane.stores.fault import Cause, Outage, RedisFault
from wsgate_dataplane.telemetry.metrics import Metrics

log = logging.getLogger("wsgate")

POLL_SECONDS = 1.0
"""Longest pause between two looks: a wake-up may be lost."""
WAKE_PAUSE_SECONDS = 0.05
"""Least time from look to look: whoever may publish could else keep this process busy."""
RETRY_SECONDS = 1.0
"""Pause after a fault; half of it more or less, so that pods do not return in one blow."""
LOOK_SECONDS = 15.0
"""Longest look; the one that reads a set of 100,000 takes some 3 s."""
APPEND_SECONDS = 2.0
ACKNOWLEDGE_SECONDS = 1.0
"""Least time between two writes of a lease that says something new."""
DAMAGED_PAUSE = 10
"""A damaged set rests that many times as long as reading it took, or until the log goes on."""
EVENT_BYTES_MAX = 16 * 1024
PAGE = 1_000
"""Records taken into the view at once; some 10 ms, in which nothing else runs."""

Positioned = tuple[str, LogEntry]
"""An entry with its id."""


class Store(Protocol):
    """The commands; see RedisStore."""

    async def head(self) -> Positioned | None: ...
    async def entries(self, after: str) -> list[Positioned]: ...
    async def revocations(self) -> tuple[set[str], set[str]]: ...
    async def inbox(self) -> list[str]: ...
    async def push(self, members: list[str]) -> RedisFault | None: ...
    async def renew(self, lease: PodLease) -> None: ...
    async def has_operator(self) -> bool: ...
    async def wait_for_wake(self, seconds: float) -> None: ...
    async def unsubscribe(self) -> None: ...
    async def close(self) -> None: ...


def connect(url: str, gateway: str, pod: str) -> Store:
    """The store behind a URL; raises SettingsError that names the package or the form, never the URL."""
    name = "WSGATE_REVOCATION_REDIS_URL (or REDIS_URL)"
    try:
        # Here and not above: without a URL the package redis need not be installed.
        from wsgate_dataplane.revocation.redis_store import RedisStore
    except ImportError as error:
        raise SettingsError([f"{name}: needs the package redis; install wsgate[dataplane]"]) from error
    try:
        return RedisStore(url, Keys(gateway), pod)
    except ValueError as error:
        raise SettingsError([f"{name}: {error}"]) from None


class RedisChannel:
    """Feeds the view's channels "redis" and "inbox".

    on_added is told of records that are new to the view; routes_version gives the version that is served, for
    the lease. clock answers Unix seconds; random gives floats in [0, 1).
    """

    def __init__(
        self,
        store: Store,
        view: RevocationView,
        on_added: Callable[[Iterable[RevocationRecord]], object],
        routes_version: Callable[[], int],
        metrics: Metrics,
        clock: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        self._store = store
        self._view = view
        self._on_added = on_added
        self._routes_version = routes_version
        self._metrics = metrics
        self._clock = clock
        self._random = random
        self._time = asyncio.get_running_loop().time
        self._log: LogSet | None = None
        self._epoch: str | None = None
        self._unreadable: set[str] = set()
        """Members of the log that the view could not take."""
        self._damaged: tuple[str, float] | None = None
        """The head under which the set did not agree with it, and when to read the set again."""
        self._pending: dict[str, int] = {}
        """What entered at pods and is not in the log yet, with its expiry."""
        self._listed: frozenset[str] = frozenset()
        """What the inbox held at the last look."""
        self._applied_cursor = ""
        self._lease: tuple[PodLease, float] | None = None
        self._outage, self._deafness = Outage("revocation channel"), Outage("waking by Redis", logging.WARNING)
        self._absence = Outage("operator", logging.WARNING)
        self.has_looked = False
        """Whether the first look is over, well or not."""
        self.is_loaded = False
        """Whether the whole set has been read once."""

    async def run(self) -> None:
        """Follow until cancelled."""
        try:
            while True:
                began = self._time()
                is_well = await self._try_look()
                self.has_looked = True
                if is_well:
                    await self._wait_for_wake(began)
                else:
                    await self._store.unsubscribe()
                    await asyncio.sleep(RETRY_SECONDS * (0.5 + self._random()))
        finally:
            await self._store.close()

    async def append(self, record: RevocationRecord) -> None:
        """Return when Redis has it, so that every pod will see it; raises RedisFault: it may have it or not.

        Raises ValueError for what is no event with an expiry: nothing else may enter at a pod. The caller takes
        it into the view, or else the next look does.
        """
        if not record.id.startswith(EVENT_PREFIX) or record.expires_at is None:
            raise ValueError(f"expected an id that begins with {EVENT_PREFIX}, and an expiry")
        if len(self._listed) >= INBOX_RECORDS_MAX:
            raise RedisFault(Cause.INBOX_FULL)
        member = member_of(record)
        try:
            async with asyncio.timeout(APPEND_SECONDS):
                mute = await self._store.push([member])
        except TimeoutError:
            raise RedisFault(Cause.TIMED_OUT) from None
        self._pending[member] = record.expires_at
        if mute is not None:
            self._deafness.goes_on(mute)

    async def _try_look(self) -> bool:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await self._look()
        except RedisFault as fault:
            return self._failed(fault)
        except TimeoutError:
            return self._failed(RedisFault(Cause.TIMED_OUT))
        except Exception as error:  # noqa: BLE001  # whatever Redis holds, it is looked at again
            unexpected = RedisFault(Cause.UNEXPECTED, type(error).__name__)
            unexpected.__cause__ = error
            return self._failed(unexpected)
        self._outage.is_over()
        return True

    def _failed(self, fault: RedisFault) -> bool:
        self._metrics.redis_faults.labels(fault.cause).inc()
        self._outage.goes_on(fault)
        return False

    async def _wait_for_wake(self, began: float) -> None:
        await asyncio.sleep(max(0.0, began + WAKE_PAUSE_SECONDS - self._time()))
        try:
            await self._store.wait_for_wake(POLL_SECONDS)
        except RedisFault as fault:
            self._deafness.goes_on(fault)
            await self._store.unsubscribe()
            await asyncio.sleep(POLL_SECONDS * (0.5 + self._random() / 2))
        else:
            self._deafness.is_over()

    async def _look(self) -> None:
        """Read everything, write the lease; what was there when it began is then confirmed for that moment."""
        started = self._clock()
        # The inbox first: the operator moves its records into the log in one step.
        await self._read_inbox(started)
        fault = await self._read_log()
        if fault is None and self._unreadable:
            fault = RedisFault(Cause.UNREADABLE)
        if fault is None:
            self._applied_cursor = self._log.cursor if self._log else ""
        self._settle(started)
        # Also where the log is not whole: the lease says that this pod lives.
        await self._renew_lease()
        if fault is not None:
            raise fault
        self.is_loaded = True
        self._view.confirm("redis", started)
        self._view.confirm("inbox", started)

    async def _read_inbox(self, now: float) -> None:
        self._listed = frozenset(await self._store.inbox())
        added = []
        for member in self._listed:
            if self._view.holds("inbox", member):
                continue
            record = _event(member)
            if record is None or record.expires_at is None or record.expires_at <= now:
                continue
            self._pending[member] = record.expires_at
            if self._view.add("inbox", member) is not None:
                added.append(record)
        self._on_added(added)

    def _settle(self, now: float) -> None:
        """Let go what the log holds, or what is over; nothing else, whatever became of the inbox."""
        for member, expires_at in tuple(self._pending.items()):
            is_folded = self._view.holds("redis", member) and member not in self._listed
            if is_folded or expires_at <= now:
                del self._pending[member]
                self._view.discard("inbox", member)

    async def _read_log(self) -> RedisFault | None:
        """Follow to the end; answers what is wrong with the log, raises what is wrong with Redis."""
        head = await self._store.head()
        if head is None:
            return RedisFault(Cause.LOG_MISSING)
        followed = self._log
        if followed is not None:
            head = await self._catch_up(followed, head, self._follow)
        if followed is None or not followed.agrees_with(*head):
            if fault := await self._load(head):
                return fault
        await self._enter_epoch(head[1].epoch)
        return None

    async def _catch_up(
        self, log_set: LogSet, head: Positioned, on_entry: Callable[[LogEntry], None]
    ) -> Positioned:
        """Apply what follows; answers the newest entry."""
        if log_set.cursor == head[0]:
            return head
        while page := await self._store.entries(log_set.cursor):
            for entry_id, entry in page:
                on_entry(entry)
                log_set.apply(entry_id, entry)
            head = page[-1]
        return head

    def _follow(self, entry: LogEntry) -> None:
        if entry.change == "add":
            self._take((entry.member,))
        elif entry.change == "remove":
            self._unreadable.discard(entry.member)
            self._view.discard("redis", entry.member)

    async def _load(self, head: Positioned) -> RedisFault | None:
        """Read the set; nothing that was known is let go before the new one has proven itself."""
        if self._damaged is not None and self._damaged[0] == head[0] and self._time() < self._damaged[1]:
            return RedisFault(Cause.SET_DAMAGED)
        began = self._time()
        members, epochs = await self._store.revocations()
        fresh = await asyncio.to_thread(LogSet.of, members, head[0], head[1].epoch)
        head = await self._catch_up(fresh, head, lambda entry: None)
        if epochs != {head[1].epoch} or not fresh.agrees_with(*head):
            now = self._time()
            self._damaged = head[0], now + DAMAGED_PAUSE * (now - began)
            return RedisFault(Cause.SET_DAMAGED)
        self._unreadable.clear()
        remaining = iter(fresh.members)
        while page := tuple(islice(remaining, PAGE)):
            self._take(page)
            await asyncio.sleep(0)
        self._view.retain("redis", fresh.members)
        # Last: what is interrupted before has not loaded.
        self._log, self._damaged = fresh, None
        return None

    def _take(self, members: Iterable[str]) -> None:
        added = []
        for member in members:
            try:
                record = self._view.add("redis", member)
            except LogEntryError:
                self._unreadable.add(member)
                continue
            if record is not None:
                added.append(record)
        self._on_added(added)

    async def _enter_epoch(self, epoch: str) -> None:
        """In a new life of the log, repeat what entered at pods and was lost with the former."""
        if self._epoch not in (None, epoch):
            lost = [
                member
                for member in self._pending
                if member not in self._listed and not self._view.holds("redis", member)
            ]
            if lost:
                await self._store.push(lost)
        self._epoch = epoch

    async def _renew_lease(self) -> None:
        lease = PodLease(log_cursor=self._applied_cursor, routes_version=self._routes_version())
        now = self._time()
        if self._lease is not None:
            written, at = self._lease
            if now - at < (RENEW_SECONDS if lease == written else ACKNOWLEDGE_SECONDS):
                return
        await self._store.renew(lease)
        self._lease = lease, now
        has_operator = await self._store.has_operator()
        self._metrics.operator_present.set(has_operator)
        if has_operator:
            self._absence.is_over()
        else:
            self._absence.goes_on(RedisFault(Cause.OPERATOR_AWAY))


def _event(member: str) -> RevocationRecord | None:
    """None for what no pod may send: whoever holds one pod must not hold up what the others have sent."""
    if len(member) > EVENT_BYTES_MAX or not member.isascii():
        return None
    try:
        record = record_of_member(member)
    except LogEntryError:
        return None
    return record if record.id.startswith(EVENT_PREFIX) else None
