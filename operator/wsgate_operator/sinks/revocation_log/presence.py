"""Who lives: the operator's own key, and the leases of the pods."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

from pydantic import ValidationError

from wsgate_contract.revocation_log import LEASE_SECONDS, Keys, PodLease
from wsgate_operator.sinks.revocation_log.connect import CALL_SECONDS, bounded

if TYPE_CHECKING:
    from redis.asyncio import Redis


async def beat(client: "Redis", keys: Keys) -> None:
    """Say that an operator lives, to be done every RENEW_SECONDS; raises RevocationLogError."""
    async with bounded(2 * CALL_SECONDS):
        await client.set(keys.operator, "1", ex=LEASE_SECONDS)


async def read_leases(client: "Redis", keys: Keys, pods: Sequence[str]) -> Mapping[str, PodLease]:
    """The leases of those pods that hold one; raises RevocationLogError.

    A pod can write another's lease: it can fake an acknowledgement, so nothing may be lifted because of one.
    """
    if not pods:
        return {}
    async with bounded(2 * CALL_SECONDS):
        texts = cast("list[str | None]", await client.mget([keys.pod(pod) for pod in pods]))
    found = ((pod, _lease(text)) for pod, text in zip(pods, texts, strict=True))
    return {pod: lease for pod, lease in found if lease is not None}


def _lease(text: str | None) -> PodLease | None:
    # What cannot be read is no lease: the pod counts as one that has not acknowledged.
    if text is None or not text.isascii():
        return None
    try:
        return PodLease.model_validate_json(text)
    except ValidationError:
        return None
