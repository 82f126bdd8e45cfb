"""Dial again where nothing could be sent: another upstream at once, the same ones after a pause."""

import asyncio
from collections.abc import Callable, Collection
from typing import NamedTuple

from wsgate_dataplane.upstreams.answer import Offer
from wsgate_dataplane.upstreams.dial import NotConnected, Target, Upgraded, dial


class Patience(NamedTuple):
    """How long and how often one handshake dials; times in seconds."""

    connect_seconds: float
    handshake_seconds: float
    """All attempts and pauses together."""
    retries: int
    """Further dials after a failed one."""
    pause_seconds: float
    """Before an upstream is dialled again."""


async def dial_patiently(
    choose: Callable[[Collection[Target]], Target | None],
    head_of: Callable[[Target], bytes],
    offer: Offer,
    patience: Patience,
    on_retry: Callable[[], None],
) -> Upgraded:
    """choose gives an upstream that is none of the failed ones, None where all have failed.

    An upstream that was sent the request is not dialled again: it may have acted on it. Raises Refused as
    dial() does, of the last attempt.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience.handshake_seconds
    failed: set[Target] = set()
    for left in range(patience.retries, -1, -1):
        target = choose(failed)
        if target is None:
            failed.clear()
            target = choose(failed)
        assert target is not None
        try:
            return await dial(target, head_of(target), offer, patience.connect_seconds, deadline - loop.time())
        except NotConnected:
            failed.add(target)
            pause = patience.pause_seconds if choose(failed) is None else 0
            if not left or loop.time() + pause >= deadline:
                raise
        on_retry()
        await asyncio.sleep(pause)
    raise AssertionError("the last attempt returns or raises")
