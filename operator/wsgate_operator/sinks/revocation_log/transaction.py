"""The reads and writes of set and log, each within a transaction that the caller opens."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from wsgate_contract.revocation_log import (
    EPOCH_PREFIX,
    LOG_ENTRIES_MAX,
    Keys,
    LogEntry,
    LogEntryError,
    record_of_member,
    score_of,
)
from wsgate_operator.sinks.revocation_log.plan import Damage, Found, State, Write

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.asyncio.client import Pipeline

MEMBERS_IN_COMMAND = 1_000
"""Other clients wait while one command runs."""

Head = Sequence[tuple[str, Mapping[str, str]]]
"""The answer of XREVRANGE: the newest entry, or nothing."""


async def read_found(watching: "Pipeline", keys: Keys) -> Found:
    """All that stands there; the keys are being watched, so that a write after it is refused where it changed."""
    set_type, log_type = await watching.type(keys.revocations), await watching.type(keys.log)
    if set_type not in ("none", "zset"):
        return Found((), None, None, is_foreign=True)
    members = cast("list[str]", await watching.zrange(keys.revocations, 0, -1))
    if log_type not in ("none", "stream"):
        return Found(members, None, None, is_foreign=True)
    head = cast(Head, await watching.xrevrange(keys.log, count=1))
    return Found(members, head[0][0] if head else None, _entry(head))


async def is_as_known(client: "Redis", keys: Keys, state: State, *, whole: bool) -> bool:
    """Whether head, count and epoch are those of the state; whole: also each member."""
    async with client.pipeline() as pipe:
        pipe.xrevrange(keys.log, count=1)
        pipe.zcard(keys.revocations)
        pipe.zscore(keys.revocations, EPOCH_PREFIX + state.epoch)
        if whole:
            pipe.zrange(keys.revocations, 0, -1)
        head, count, epoch_score, *members = await pipe.execute()
    return _is_head(head, count, epoch_score, state) and (
        not whole or state.members | {EPOCH_PREFIX + state.epoch} == set(members[0])
    )


async def is_still_known(watching: "Pipeline", keys: Keys, state: State) -> bool:
    """The same from within a transaction, as far as it is cheap."""
    head = cast(Head, await watching.xrevrange(keys.log, count=1))
    count = await watching.zcard(keys.revocations)
    epoch_score = await watching.zscore(keys.revocations, EPOCH_PREFIX + state.epoch)
    return _is_head(head, count, epoch_score, state)


async def commit(watching: "Pipeline", keys: Keys, write: Write, settled: Collection[str]) -> str | None:
    """Write set, log and inbox at once and wake the pods; answers the last entry's id, None without entries."""
    if not write.entries and not settled:
        return None
    watching.multi()  # type: ignore[no-untyped-call]  # redis-py has no annotation here
    _write_set(watching, keys, write)
    if write.damage is Damage.FOREIGN:
        watching.delete(keys.log)
    for text in settled:
        # By content, so that a repetition can never remove an entry that was not folded.
        watching.lrem(keys.inbox, 1, text)
    for entry in write.entries:
        fields: dict[Any, Any] = {**entry.to_fields()}
        watching.xadd(keys.log, fields, maxlen=LOG_ENTRIES_MAX, approximate=True)
    if write.entries:
        watching.publish(keys.wake, "1")
    answers = await watching.execute()
    # The last answer but one: after it comes that of PUBLISH.
    return str(answers[-2]) if write.entries else None


def _write_set(pipe: "Pipeline", keys: Keys, write: Write) -> None:
    added = [entry.member for entry in write.entries if entry.change == "add"]
    removed = [entry.member for entry in write.entries if entry.change == "remove"]
    scores = _scores(added)
    if write.damage is not None:
        pipe.delete(keys.revocations)
        scores = {EPOCH_PREFIX + write.after.epoch: float("inf")} | _scores(write.after.members)
    pairs = list(scores.items())
    for start in range(0, len(pairs), MEMBERS_IN_COMMAND):
        pipe.zadd(keys.revocations, dict(pairs[start : start + MEMBERS_IN_COMMAND]))
    if removed:
        pipe.zrem(keys.revocations, *removed)


def _scores(members: Iterable[str]) -> dict[str, float]:
    return {member: score_of(record_of_member(member)) for member in members}


def _is_head(head: Head, count: int, epoch_score: float | None, state: State) -> bool:
    entry = _entry(head)
    return (
        entry is not None
        and (head[0][0], entry.epoch, entry.digest) == (state.cursor, state.epoch, state.digest)
        and count == state.digest.count + 1
        and epoch_score is not None
    )


def _entry(head: Head) -> LogEntry | None:
    try:
        return LogEntry.from_fields(head[0][1]) if head else None
    except LogEntryError:
        return None
