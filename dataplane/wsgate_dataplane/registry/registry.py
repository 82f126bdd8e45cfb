"""All sessions of this process, and everything that ends them from outside."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from wsgate_contract.revocation import RevocationRecord
from wsgate_contract.route import Route
from wsgate_dataplane.outcomes.refusal import Refused
from wsgate_dataplane.outcomes.table import OUTCOMES, Reason
from wsgate_dataplane.protocols.mqtt.last_words import last_words
from wsgate_dataplane.registry.reports import Report, Reports
from wsgate_dataplane.registry.session import Arrival, Session, nothing
from wsgate_dataplane.relay.engine import Closed, Engine
from wsgate_dataplane.relay.timer import DeadlineTimer
from wsgate_dataplane.revocation.claim_index import ClaimIndex
from wsgate_dataplane.revocation.matching import Identity, claims_of, is_in_force, matches
from wsgate_dataplane.session.index import Index
from wsgate_dataplane.session.lifecycle import ENDING, OPEN, PENDING, ClosedBy, Ended
from wsgate_dataplane.session.pace import pace
from wsgate_dataplane.telemetry.identity import Mode
from wsgate_dataplane.telemetry.metrics import Metrics

CLOCK_JUMP_SECONDS = 1.0
"""A wall clock that moved by more against the loop's moves every token's expiry with it."""


LIVE = (PENDING, OPEN)
"""Phases of a session that something can still end."""
UNOPENED = (PENDING, ENDING)
"""Phases of a session without a relay whose handshake is over."""


class Registry:
    """Registered sessions by jti, subject, sid, token and namespace.

    random gives floats in [0, 1).
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        engine: Engine,
        metrics: Metrics,
        log_identity: Mode,
        random: Callable[[], float],
    ) -> None:
        self._loop = loop
        self._engine = engine
        self._metrics = metrics
        self._reports = Reports(loop, metrics, log_identity)
        self._random = random
        # Not from 1: an id that somebody has noted must not name another session after a restart.
        self._uids = itertools.count(1 + int(random() * 2**40))
        self._sessions: dict[int, Session] = {}
        self._by_jti, self._by_subject = Index[str, Session](), Index[str, Session]()
        self._by_session_id, self._by_token = Index[str, Session](), Index[str, Session]()
        self._by_namespace = Index[str, Session]()
        self._by_route = Counter[str]()
        self._ages = DeadlineTimer[int](loop, self._on_age)
        self._age_ends: dict[int, tuple[float, Reason]] = {}
        self._closings = DeadlineTimer[int](loop, self._on_closing)
        self._closing_reasons: dict[int, Reason] = {}
        self._clock_offset = time.time() - loop.time()
        self._empty: asyncio.Event = asyncio.Event()
        self._empty.set()
        self.config_version = 0

    def __len__(self) -> int:
        return len(self._sessions)

    def __iter__(self) -> Iterator[Session]:
        return iter(tuple(self._sessions.values()))

    def register(
        self, route: Route, identity: Identity, arrival: Arrival, on_end: Callable[[], None] = nothing
    ) -> Session:
        """Make a session known before its dial, so that a revocation meanwhile finds it; on_end tells of one."""
        session = Session(self, next(self._uids), route, identity, arrival, self._loop.time(), on_end)
        self._sessions[session.uid] = session
        self._by_route[route.key] += 1
        self._empty.clear()
        for index, key in self._keys(identity):
            index.add(key, session)
        self._by_namespace.add(identity.namespace, session)
        return session

    def set_age_end(self, session: Session, end: tuple[float, Reason] | None) -> None:
        """End the session at a moment (Unix seconds) for a reason."""
        if end is not None and end != self._age_ends.get(session.uid):
            self._age_ends[session.uid] = end
            self._ages.set(session.uid, end[0] - self._clock_offset)

    def age_end(self, session: Session) -> float | None:
        """When the session ends by age, in Unix seconds; None: it does not."""
        end = self._age_ends.get(session.uid)
        return None if end is None else end[0]

    def withdraw(self, session: Session) -> None:
        """The handshake failed: the session was never open."""
        if session.relay is None and session.life.phase in UNOPENED:
            self._forget(session)

    def end(self, session: Session, reason: Reason, detail: str = "", closed_by: ClosedBy = "gateway") -> None:
        """End a session for a reason; a pending one is refused with it when its dial is done."""
        if session.life.phase in LIVE:
            session.ended_at = self._loop.time()
        command = session.life.end(reason, detail, closed_by)
        if session.relay is None:
            session.on_end()
        elif command is not None:
            last = None if session.mqtt is None else last_words(session.mqtt, OUTCOMES[reason])
            self._engine.close(session.relay, command.code, command.words, last)

    def revoke(self, records: Iterable[RevocationRecord], now: float) -> int:
        """End every session that one of the records touches; returns how many. now in Unix seconds."""
        count = 0
        for record, session in self._touched([each for each in records if is_in_force(each, now)]):
            self.end(session, Reason.TOKEN_REVOKED, record.id)
            self._metrics.revocations.inc()
            count += 1
        return count

    def touched(self, record: RevocationRecord) -> list[Session]:
        """The live sessions that the record touches."""
        return [session for _, session in self._touched([record])]

    def close_paced(self, sessions: Iterable[Session], reason: Reason, within_seconds: float) -> None:
        """End these sessions spread over a time; those that end before are left alone."""
        chosen = list(sessions)
        now = self._loop.time()
        for session, delay in zip(chosen, pace(len(chosen), within_seconds, self._random), strict=True):
            self._closing_reasons[session.uid] = reason
            self._closings.set(session.uid, now + delay)

    def close_spread(self, sessions: Iterable[Session], reason: Reason, spread_seconds: float) -> None:
        """End these sessions in random order over the whole time; those that are told already keep theirs."""
        now = self._loop.time()
        for session in sessions:
            if session.uid in self._closing_reasons:
                continue
            if spread_seconds == 0:
                self.end(session, reason)
                continue
            self._closing_reasons[session.uid] = reason
            self._closings.set(session.uid, now + spread_seconds * self._random())

    def cancel_closings(self, reason: Reason) -> int:
        """Let those live on that would have been ended for it; returns how many."""
        spared = [uid for uid, each in self._closing_reasons.items() if each is reason]
        for uid in spared:
            del self._closing_reasons[uid]
            self._closings.discard(uid)
        return len(spared)

    async def wait_empty(self) -> None:
        """Return when no session is left."""
        await self._empty.wait()

    def recheck_clock(self) -> None:
        """Follow a wall clock that jumped: exp is wall time, timers are not."""
        offset = time.time() - self._loop.time()
        if abs(offset - self._clock_offset) > CLOCK_JUMP_SECONDS:
            self._clock_offset = offset
            for uid, (end, _) in self._age_ends.items():
                self._ages.set(uid, end - offset)

    def stop(self) -> None:
        """Cut what is left."""
        for session in tuple(self._sessions.values()):
            self.end(session, Reason.DRAINING, "cut")
            if session.relay is not None:
                self._engine.abort(session.relay)
        self._ages.stop()
        self._closings.stop()
        self._reports.tell()

    def session_over(self, session: Session, ended: Ended, closed: Closed) -> None:
        """Both connections are gone: forget it, and have it counted and said once."""
        self._forget(session)
        now = self._loop.time()
        lasted, closing = now - session.started_at, now - session.ended_at
        self._reports.add(Report(session, ended, closed, lasted, closing, time.time(), self.config_version))

    def _touched(self, records: Iterable[RevocationRecord]) -> Iterator[tuple[RevocationRecord, Session]]:
        for record, session in self._candidates(records):
            if session.life.phase in LIVE and matches(record, session.identity):
                yield record, session

    def _candidates(self, records: Iterable[RevocationRecord]) -> Iterator[tuple[RevocationRecord, Session]]:
        """Records with the sessions that they may touch."""
        by_claim: dict[str | None, ClaimIndex[RevocationRecord]] = {}
        for record in records:
            indexed = self._indexed(record)
            if indexed is None and record.claim is not None:
                by_claim.setdefault(record.namespace, ClaimIndex()).add(record.claim, record)
                continue
            for session in self._of(record.namespace) if indexed is None else indexed:
                yield record, session
        # A session's claims are looked through once for all these records.
        for namespace, claims in by_claim.items():
            for session in self._of(namespace):
                for record in claims.find(claims_of(session.identity.payload)):
                    yield record, session

    def _of(self, namespace: str | None) -> Iterable[Session]:
        return tuple(self._sessions.values()) if namespace is None else self._by_namespace.get(namespace)

    def _indexed(self, record: RevocationRecord) -> Iterable[Session] | None:
        for index, key in self._keys(record):
            return index.get(key)
        return None

    def _keys(self, named: Identity | RevocationRecord) -> list[tuple[Index[str, Session], str]]:
        """Where sessions are found by what a token has, or a record names; the narrowest first."""
        asked = (
            (self._by_token, named.token_sha256),
            (self._by_jti, named.jti),
            (self._by_session_id, named.session_id),
            (self._by_subject, named.subject),
        )
        return [(index, key) for index, key in asked if key is not None]

    def check_room(self, route: Route, identity: Identity) -> None:
        """Raises Refused(ROUTE_FULL, SUBJECT_FULL) where one more session is more than the route allows.

        Those count that began before the route changed, and those whose upstream is being dialled.
        """
        limits, key = route.limits, route.key
        if limits.max_connections is not None and self._by_route[key] >= limits.max_connections:
            raise Refused(Reason.ROUTE_FULL, f"{key} has {self._by_route[key]} sessions")
        if limits.max_connections_per_subject is not None and identity.subject is not None:
            count = sum(
                each.identity.issuer == identity.issuer and each.route.key == key
                for each in self._by_subject.get(identity.subject)
            )
            if count >= limits.max_connections_per_subject:
                raise Refused(Reason.SUBJECT_FULL, f"the subject has {count} sessions on {key}")

    def _forget(self, session: Session) -> None:
        if self._sessions.pop(session.uid, None) is None:
            return
        route_key = session.route.key
        self._by_route[route_key] -= 1
        if not self._by_route[route_key]:
            del self._by_route[route_key]
        for index, key in self._keys(session.identity):
            index.discard(key, session)
        self._by_namespace.discard(session.identity.namespace, session)
        if self._age_ends.pop(session.uid, None) is not None:
            self._ages.discard(session.uid)
        if self._closing_reasons.pop(session.uid, None) is not None:
            self._closings.discard(session.uid)
        if not self._sessions:
            self._empty.set()

    def _on_age(self, uid: int) -> None:
        session, end = self._sessions.get(uid), self._age_ends.get(uid)
        if session is not None and end is not None:
            self.end(session, end[1])

    def _on_closing(self, uid: int) -> None:
        session, reason = self._sessions.get(uid), self._closing_reasons.get(uid)
        if session is not None and reason is not None:
            self.end(session, reason)
