"""Dial again where nothing could be sent: another upstream at once, the same ones after a pause."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from wsgate_dataplane.outcomes.refusal import Refused
from wsgate_dataplane.outcomes.table import Reason
from wsgate_dataplane.upstreams.answer import Declined, Offer
from wsgate_dataplane.upstreams.dial import NotConnected, Target, Upgraded, dial
from wsgate_dataplane.upstreams.pool import Pool
from wsgate_dataplane.values import value

FAULTS = (Reason.UPSTREAM_UNREACHABLE, Reason.UPSTREAM_TIMEOUT, Reason.UPSTREAM_REFUSED_UPGRADE)
"""What counts against an upstream, unless it has declined."""

SPREAD_SECONDS = 10
"""By how much longer a client may be told to wait for a circuit, so that not all return in one blow."""


@value
class Patience:
    """How long and how often one handshake dials; times in seconds."""

    connect_seconds: float
    handshake_seconds: float
    """All attempts and pauses together."""
    retries: int
    """Further dials after a failed one."""
    pause_seconds: float
    """Before an upstream is dialled again."""


class Dialler(Protocol):
    """Who has an upstream dialled."""

    def head_for(self, target: Target) -> bytes:
        """The whole request to that upstream."""

    def retried(self) -> None:
        """It is dialled again; raises Refused where that is not wanted any more."""

    def circuit_opened(self) -> None:
        """A failed dial was one too many."""


async def dial_patiently(
    pool: Pool,
    dialler: Dialler,
    offer: Offer,
    patience: Patience,
    random: Callable[[], float],
) -> Upgraded:
    """An upstream that was sent the request is not dialled again: it may have acted on it.

    A handshake counts once against an upstream, however often it dials. Raises Refused as dial() does, of the
    last attempt, and CIRCUIT_OPEN.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience.handshake_seconds
    failed: dict[Target, Refused] = {}
    for left in range(patience.retries, -1, -1):
        now = loop.time()
        upstream = pool.choose(random(), now, failed) or pool.choose(random(), now)
        if upstream is None:
            raise _open(pool, now, failed, random())
        target, circuit = upstream.target, upstream.circuit
        ticket, seconds = circuit.begin(), deadline - now
        try:
            upgraded = await dial(target, dialler.head_for(target), offer, patience.connect_seconds, seconds)
        except Refused as refused:
            if isinstance(refused, Declined):
                circuit.succeeded()
            elif target in failed or not _is_its_fault(refused, seconds if failed else None, patience):
                circuit.abandoned(ticket)
            elif circuit.failed(ticket, loop.time()):
                dialler.circuit_opened()
            if not isinstance(refused, NotConnected):
                raise
            failed[target] = refused
            now = loop.time()
            pause = 0 if pool.choose(0, now, failed) else patience.pause_seconds
            if not left or now + pause >= deadline:
                raise
        except BaseException:
            circuit.abandoned(ticket)
            raise
        else:
            circuit.succeeded()
            return upgraded
        await asyncio.sleep(pause)
        dialler.retried()
    raise AssertionError("the last attempt returns or raises")


def _is_its_fault(refused: Refused, rest: float | None, patience: Patience) -> bool:
    """Whether it counts against the upstream; rest: seconds that it had, if it was not dialled first."""
    if rest is not None and refused.reason is Reason.UPSTREAM_TIMEOUT:
        return isinstance(refused, NotConnected) and rest >= patience.connect_seconds
    return refused.reason in FAULTS


def _open(pool: Pool, now: float, failed: dict[Target, Refused], chance: float) -> Refused:
    if failed:
        # It opened during this very handshake, whose own fault says more.
        return next(reversed(failed.values()))
    seconds = int(pool.seconds_left(now)) + 1
    detail = f"every upstream has failed again and again; wait {seconds} s"
    return Refused(Reason.CIRCUIT_OPEN, detail, seconds + int(chance * SPREAD_SECONDS))
