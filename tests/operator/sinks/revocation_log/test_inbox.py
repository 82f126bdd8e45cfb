"""The inbox as pods, and one pod in wrong hands, fill it."""

from tests.operator.sinks.revocation_log.house import KEYS, ask, event, logged, push, record, writing
from tests.support.loops import on_both_loops
from tests.support.valkey import ValkeyServer
from wsgate_contract.revocation_log import INBOX_RECORDS_MAX, member_of
from wsgate_operator.sinks.revocation_log.inbox import BATCH_MAX, Inbox, InboxBatch, InboxEntry, check

GOOD = member_of(event("good"))


def test_records_and_rubbish_are_told_apart() -> None:
    bad = member_of(record("object"))
    batch = check([GOOD, bad, "{", GOOD], 4)
    assert batch.entries == (InboxEntry(GOOD, event("good")),) * 2
    assert batch.refused == (bad, "{")
    assert batch.why_refused.startswith("its id is not event:")


@on_both_loops
async def test_an_empty_inbox_is_an_empty_batch(server: ValkeyServer) -> None:
    async with writing(server) as writer:
        assert await Inbox(writer.client, KEYS).read() == InboxBatch()


@on_both_loops
async def test_bytes_that_are_no_text_are_refused_and_can_be_removed(server: ValkeyServer) -> None:
    push(server, b"\xff\xfe\x00", GOOD)
    async with writing(server) as writer:
        inbox = Inbox(writer.client, KEYS)
        batch = await inbox.read()
        assert (len(batch.refused), batch.entries) == (1, (InboxEntry(GOOD, event("good")),))
        await writer.log.publish(frozenset(), settled=batch.refused)
        assert (await inbox.read()).refused == ()


@on_both_loops
async def test_no_more_than_a_batch_is_read_at_once(server: ValkeyServer) -> None:
    push(server, *(member_of(event(str(number))) for number in range(BATCH_MAX + 1)))
    async with writing(server) as writer:
        batch = await Inbox(writer.client, KEYS).read()
    assert (len(batch.entries), batch.length) == (BATCH_MAX, BATCH_MAX + 1)


@on_both_loops
async def test_refused_entries_are_told_once_while_they_come(server: ValkeyServer) -> None:
    async with writing(server) as writer:
        inbox = Inbox(writer.client, KEYS)
        with logged() as lines:
            for _ in range(2):
                push(server, "rubbish")
                await inbox.read()
            ask(server, "DEL", KEYS.inbox)
            await inbox.read()
            push(server, "rubbish")
            await inbox.read()
    assert [line.getMessage() for line in lines] == ["inbox-entries-refused"] * 2
    assert "rubbish" not in str([line.__dict__ for line in lines])


@on_both_loops
async def test_an_inbox_longer_than_pods_read_is_an_error(server: ValkeyServer) -> None:
    push(server, *([GOOD] * (INBOX_RECORDS_MAX + 1)))
    async with writing(server) as writer:
        inbox = Inbox(writer.client, KEYS)
        with logged() as lines:
            await inbox.read()
            await inbox.read()
    assert [(line.levelname, line.getMessage()) for line in lines] == [("ERROR", "inbox-overfull")]
