"""Whether Redis may throw the revocations away."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wsgate_operator.sinks.revocation_log.connect import CALL_SECONDS, bounded
from wsgate_operator.sinks.revocation_log.fault import Reason, RevocationLogError

if TYPE_CHECKING:
    from redis.asyncio import Redis


@dataclass(frozen=True)
class Eviction:
    """The server's maxmemory-policy and what follows from it."""

    policy: str | None
    """None: it could not be read."""
    is_possible: bool
    """The caller refuses, or only warns, as WSGATE_REDIS_EVICTION says."""
    problem: str
    """What to tell and do about it; empty when nothing is wrong."""


async def check_eviction(client: "Redis") -> Eviction:
    """Ask the server; raises RevocationLogError where it does not answer at all."""
    try:
        async with bounded(2 * CALL_SECONDS):
            found = await client.info("memory")
    except RevocationLogError as error:
        if error.reason not in (Reason.PERMISSION, Reason.UNEXPECTED):
            raise
        return judge(None)
    return judge(found.get("maxmemory_policy"))


def judge(policy: str | None) -> Eviction:
    """Only allkeys-* can evict: the set, the log and the inbox have no expiry, so volatile-* spares them."""
    if policy is None:
        problem = "the maxmemory-policy of Redis cannot be read; make sure that it is noeviction"
        return Eviction(None, is_possible=False, problem=problem)
    if not policy.startswith("allkeys-"):
        return Eviction(policy, is_possible=False, problem="")
    problem = (
        f"the maxmemory-policy of Redis is {policy}, which may evict the revocations; set noeviction, give them "
        "an instance of their own (WSGATE_REVOCATION_REDIS_URL), or accept it with WSGATE_REDIS_EVICTION=Warn"
    )
    return Eviction(policy, is_possible=True, problem=problem)
