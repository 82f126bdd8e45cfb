"""The client of the revocation stage, a process of its own: it keeps the sessions and revokes their users.

It reads a Task as JSON from the command line, says when all sessions are open, goes on at a line, and answers
an Outcome as a line of JSON. Nothing else runs in it: what it notes is not delayed by the harness.
"""

import asyncio
import dataclasses
import json
import random
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop

from ..client_session import SessionFailed
from ..frames import opening_request
from ..load_client import first_cause, spread, stage
from .api_server import ApiCallFailed, ApiServer, collection
from .wake_up import WakeUps
from .watched_session import WatchedSession

OPENING_AT_ONCE = 16
STEP_SECONDS_MAX = 10.0
"""Longest wait for a handshake, an echo or, after a revocation, for the end of its sessions."""
PAUSE_SECONDS_MAX = 0.2
"""Between revocations, by chance: else each would meet the data planes in the same phase."""
REVOKED_CODE = 1008


@dataclass(frozen=True)
class Task:
    """Each token is one user with a session on every port; the first ones are revoked one after the other, then
    `burst` at once, and the rest must stay.
    """

    kubeconfig: str
    namespace: str
    host: str
    path: str
    ports: tuple[int, ...]
    token_file: str
    redis_url: str
    gateway: str
    one_by_one: int
    burst: int


@dataclass(frozen=True)
class Sample:
    """Milliseconds from the API server's 201 until the log stood in Redis, and until all of the user's sessions
    were closed; published: None where it is not known.
    """

    closed: float
    published: float | None = None


@dataclass
class Outcome:
    """What was measured, and every fault of correctness in words."""

    one_by_one: list[Sample] = field(default_factory=list)
    burst: list[Sample] = field(default_factory=list)
    open_sessions: int = 0
    """Least number of sessions that were open while it was measured."""
    faults: list[str] = field(default_factory=list)


class Users:
    """Users with their sessions, by number."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._tokens = Path(task.token_file).read_text().split()
        self.sessions: dict[int, list[WatchedSession]] = {number: [] for number in range(len(self._tokens))}

    async def enter(self) -> None:
        """Open all sessions."""
        pairs = [(number, port) for number in self.sessions for port in self._task.ports]
        await spread(OPENING_AT_ONCE, pairs, self._open)

    async def _open(self, place: tuple[int, int]) -> None:
        number, port = place
        request = opening_request(self._task.host, self._task.path, self._tokens[number])
        async with asyncio.timeout(STEP_SECONDS_MAX):
            self.sessions[number].append(await WatchedSession.open(port, request))

    def open_count(self) -> int:
        """Sessions that have not ended."""
        return sum(not each.ended.done() for sessions in self.sessions.values() for each in sessions)


class Revoking:
    """Revokes users and notes what follows."""

    def __init__(self, task: Task, users: Users, api: ApiServer, wake_ups: WakeUps) -> None:
        self._task = task
        self._users = users
        self._api = api
        self._wake_ups = wake_ups
        self.outcome = Outcome()

    async def run(self) -> None:
        """All that is to be measured."""
        rest = random.Random(1)  # the same pauses in every run
        for number in range(self._task.one_by_one):
            await asyncio.sleep(rest.uniform(0, PAUSE_SECONDS_MAX))
            self._check_only_revoked_are_closed(number)
            self._wake_ups.forget()
            if (sample := await self._revoke(number)) is not None:
                self.outcome.one_by_one.append(sample)
        first, end = self._task.one_by_one, self._task.one_by_one + self._task.burst
        self._check_only_revoked_are_closed(first)
        found = await asyncio.gather(*(self._revoke(number) for number in range(first, end)))
        # A wake-up of many tells nothing of one.
        self.outcome.burst = [Sample(each.closed) for each in found if each is not None]
        self.outcome.open_sessions = self._users.open_count()
        await self._check_bystanders(end)

    async def _revoke(self, number: int) -> Sample | None:
        path = collection("tokenrevocations", self._task.namespace)
        acknowledged = await self._api.create(path, _revocation(self._task, number))
        sessions = self._users.sessions[number]
        await asyncio.wait([each.ended for each in sessions], timeout=STEP_SECONDS_MAX)
        endings = [each.ended.result() for each in sessions if each.ended.done()]
        if len(endings) < len(sessions):
            self._fault(f"user {number}: {len(sessions) - len(endings)} sessions still open")
            return None
        if {each.code for each in endings} != {REVOKED_CODE}:
            self._fault(f"user {number}: closed with {[each.code for each in endings]}")
        published = self._wake_ups.first
        return Sample(
            closed=(max(each.at for each in endings) - acknowledged) * 1e3,
            published=None if published is None else (published - acknowledged) * 1e3,
        )

    def _check_only_revoked_are_closed(self, first_unrevoked: int) -> None:
        for number, sessions in self._users.sessions.items():
            if number >= first_unrevoked and any(each.ended.done() for each in sessions):
                self._fault(f"user {number} was not revoked, and a session was closed")

    async def _check_bystanders(self, first: int) -> None:
        async def check(number: int) -> None:
            try:
                async with asyncio.timeout(STEP_SECONDS_MAX):
                    for session in self._users.sessions[number]:
                        await session.echo(b"still here")
            except (SessionFailed, TimeoutError) as error:
                self._fault(f"user {number} was not revoked, and has no session any more: {error!r}")

        bystanders = [number for number in self._users.sessions if number >= first]
        await spread(OPENING_AT_ONCE, bystanders, check)

    def _fault(self, words: str) -> None:
        if words not in self.outcome.faults:
            self.outcome.faults.append(words)


def subject(number: int) -> str:
    """Of a user."""
    return f"user-{number}"


def jti(number: int) -> str:
    """Of a user's token."""
    return f"token-{number}"


def _revocation(task: Task, number: int) -> dict[str, Any]:
    # By turns in both ways that people revoke.
    spec = {"subject": subject(number)} if number % 2 else {"jti": jti(number)}
    return {
        "apiVersion": "wsgate.dev/v1alpha1",
        "kind": "TokenRevocation",
        "metadata": {"name": f"bench-{number}", "namespace": task.namespace},
        "spec": spec,
    }


async def run(task: Task) -> Outcome:
    """Do the task."""
    users = Users(task)
    await users.enter()
    async with ApiServer(Path(task.kubeconfig)) as api, asyncio.TaskGroup() as tasks:
        wake_ups = WakeUps(task.redis_url, task.gateway, tasks)
        await stage(sessions=users.open_count())
        revoking = Revoking(task, users, api, wake_ups)
        await revoking.run()
        wake_ups.stop()
    await stage(**dataclasses.asdict(revoking.outcome))
    return revoking.outcome


def main() -> None:
    task = Task(**json.loads(sys.argv[1]))
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run(task))
    except (SessionFailed, ApiCallFailed, OSError, ExceptionGroup) as error:
        raise SystemExit(repr(first_cause(error))) from error


if __name__ == "__main__":
    main()
