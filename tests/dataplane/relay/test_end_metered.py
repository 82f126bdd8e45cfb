"""A client beyond its rate is read slower and loses nothing, or its session ends on a frame boundary."""

import asyncio
import gc
from collections.abc import Callable
from math import inf

import pytest
from websockets.frames import Opcode

from tests.support.calls import calls_of
from tests.support.loops import eventually, on_both_loops
from tests.support.sockets import REQUEST, Opened, Relay, frame, relaying, stall
from wsgate_dataplane.limits.budgets import Budgets
from wsgate_dataplane.limits.rates import Rate, Rates
from wsgate_dataplane.relay.end import End
from wsgate_dataplane.relay.engine import Limit, Meter, Side
from wsgate_dataplane.relay.tunnel import WRITE_BUFFER_HIGH_BYTES
from wsgate_dataplane.telemetry.metrics import Metrics

TEXT, BINARY, CLOSE, PING, PONG = Opcode.TEXT, Opcode.BINARY, Opcode.CLOSE, Opcode.PING, Opcode.PONG
QUARTER_HOUR = 900.0
READ_BYTES = 262_144
"""The most that a loop hands over at once."""


def numbered(count: int, size: int = 0) -> list[bytes]:
    return [frame(TEXT, b"%d" % number + b"." * size, mask=True) for number in range(count)]


def metered(relay: Relay, rates: Rates, subject: str | None = None) -> Metrics:
    """Meter the sessions that are opened from now on; with a subject they share a budget."""
    metrics = Metrics()
    budgets = Budgets(metrics, relay.engine.clock, knows_addresses=False)
    relay.meter = lambda: budgets.open(rates, "default/echo", "https://id", subject, "192.0.2.1")
    return metrics


def client_end(session: Opened) -> End:
    return session.engine._tunnels[session.id].client


def held(session: Opened) -> bool:
    return client_end(session).held_until < inf


def value(metrics: Metrics, name: str) -> float:
    return metrics.registry.get_sample_value(name) or 0


# Close


@pytest.mark.parametrize("apart", [False, True], ids=["in one read", "one by one"])
@on_both_loops
async def test_not_one_message_beyond_the_burst_is_forwarded_and_the_close_stands_on_a_boundary(
    apart: bool,  # noqa: FBT001  # a test's argument
) -> None:
    async with relaying() as relay:
        metrics = metered(relay, Rates(Rate(0.001, 5), None, closes=True))
        session = await relay.open()
        messages = numbered(8)
        for piece in messages if apart else [b"".join(messages)]:
            await session.client.send(piece)
        assert await session.upstream.exactly(len(b"".join(messages[:5]))) == b"".join(messages[:5])
        assert (await session.upstream.frame()).close == (1008, "limit")
        assert (await session.client.frame()).close == (1008, "limit")
        assert session.events.exceeded.limit is Limit.RATE
        assert session.events.exceeded.side is Side.CLIENT
        assert (await session.end()).counters.messages_to_upstream == 5
        assert value(metrics, "wsgate_rate_limit_pauses_total") == 0


@on_both_loops
async def test_control_frames_and_what_the_upstream_sends_are_free() -> None:
    async with relaying() as relay:
        metered(relay, Rates(Rate(0.001, 1), None, closes=True))
        session = await relay.open()
        await session.client.send(frame(TEXT, b"one", mask=True) + frame(PONG, mask=True) * 20)
        await session.upstream.send(frame(TEXT, b"x", mask=False) * 50)
        for _ in range(50):
            assert (await session.client.frame()).payload == b"x"
        assert (await session.upstream.frame()).payload == b"one"
        for _ in range(20):
            assert (await session.upstream.frame()).opcode == PONG
        assert session.events.events == []
        await session.end()


@on_both_loops
async def test_what_a_client_sends_with_its_request_counts() -> None:
    async with relaying() as relay:
        metered(relay, Rates(Rate(0.001, 2), None, closes=True))
        messages = numbered(3)
        session = await relay.open(client_says=(REQUEST + b"".join(messages),))
        assert await session.upstream.exactly(2 * len(messages[0])) == b"".join(messages[:2])
        assert (await session.upstream.frame()).close == (1008, "limit")
        await session.end()


@on_both_loops
async def test_a_message_larger_than_the_bytes_burst_passes_whole_and_the_next_is_too_much() -> None:
    async with relaying() as relay:
        metered(relay, Rates(None, Rate(1000, 1000), closes=True))
        session = await relay.open()
        large = frame(BINARY, bytes(50_000), mask=True)
        await session.client.send(large)
        assert await session.upstream.exactly(len(large)) == large
        assert session.events.events == []
        await session.client.send(frame(TEXT, b"more", mask=True))
        assert (await session.upstream.frame()).close == (1008, "limit")
        await session.end()


# Throttle


@on_both_loops
async def test_a_throttled_client_loses_nothing_and_gets_its_rate() -> None:
    async with relaying() as relay:
        metrics = metered(relay, Rates(Rate(100, 10), None))
        session = await relay.open()
        started = relay.engine.clock()
        stream = b"".join(numbered(50))
        await session.client.send(stream)
        assert await session.upstream.exactly(len(stream)) == stream
        # 40 beyond the burst take 0.4 s; a busy machine may take longer.
        assert relay.engine.clock() - started >= 0.38
        assert session.events.events == []
        assert value(metrics, "wsgate_rate_limit_pauses_total") >= 1
        await session.end()


@on_both_loops
async def test_large_messages_under_a_small_limit_of_bytes_all_pass() -> None:
    async with relaying() as relay:
        metered(relay, Rates(None, Rate(200_000, 200_000)))
        session = await relay.open()
        stream = frame(BINARY, bytes(250_000), mask=True) * 3
        started = relay.engine.clock()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(session.client.send(stream))
            assert await session.upstream.exactly(len(stream)) == stream
        assert relay.engine.clock() - started >= 1.4
        await session.end()


@on_both_loops
async def test_while_a_client_waits_at_most_one_read_of_it_is_held() -> None:
    async with relaying() as relay:
        metered(relay, Rates(Rate(0.001, 1), None))
        session = await relay.open()
        await stall(session, Side.CLIENT, frame(TEXT, b"x", mask=True) * 5_000_000)
        end = client_end(session)
        assert end._metering is not None
        assert held(session)
        assert len(end._metering._rest) + len(end.scanner.head) <= READ_BYTES + 8192
        assert end.scanner.messages == 1
        await session.end()


@on_both_loops
async def test_a_throttled_session_holds_no_task_and_no_timer_of_its_own_and_sleeps() -> None:
    async with relaying() as relay:
        metered(relay, Rates(Rate(0.01, 1), None))
        session = await relay.open()
        before = asyncio.all_tasks()
        await session.client.send(b"".join(numbered(5)))
        await eventually(lambda: held(session))
        assert asyncio.all_tasks() == before
        handles = [each for each in gc.get_objects() if type(each).__name__ == "TimerHandle"]
        assert len([each for each in handles if not each.cancelled()]) <= 4
        # The next look is in 100 s.
        assert client_end(session).held_until > relay.engine.clock() + 50
        await session.end()


@on_both_loops
async def test_a_close_acts_at_once_while_a_client_waits() -> None:
    async with relaying() as relay:
        metered(relay, Rates(Rate(0.001, 1), None))
        session = await relay.open()
        first = frame(TEXT, b"x", mask=True)
        await stall(session, Side.CLIENT, first * 5_000_000)
        started = relay.engine.clock()
        session.close()
        assert await session.upstream.exactly(len(first)) == first
        assert (await session.upstream.frame()).close == (1008, "revoked")
        assert (await session.client.frame()).close == (1008, "revoked")
        session.drop()
        await session.events.over()
        assert relay.engine.clock() - started < 2


@on_both_loops
async def test_an_abort_and_a_client_that_resets_end_a_waiting_session() -> None:
    async with relaying() as relay:
        metered(relay, Rates(Rate(0.001, 1), None), subject="alice")
        first, second = await relay.open(), await relay.open()
        for session in (first, second):
            await session.client.send(b"".join(numbered(5)))
            await eventually(lambda session=session: held(session))  # type: ignore[misc]  # bound now
        relay.engine.abort(first.id)
        await first.events.over()
        second.client.reset()
        second.upstream.close()
        await second.events.over()
        first.drop()


@on_both_loops
async def test_a_pause_is_not_silence_of_the_client() -> None:
    async with relaying() as relay:
        metered(relay, Rates(Rate(1, 1), None))
        relay.limit(ping_seconds=0.15, idle_seconds=0.4)
        session = await relay.open()
        await session.client.send(b"".join(numbered(2)))
        started = relay.engine.clock()

        async def answer() -> None:
            for _ in range(2):
                while (received := await session.upstream.frame()).opcode == PING:
                    assert relay.engine.clock() - started < 8
                    await session.upstream.send(frame(PONG, mask=False))
                assert received.opcode == TEXT

        # The second message comes after 1 s, in which the client could not be heard.
        await answer()
        assert relay.engine.clock() - started >= 0.9
        assert session.events.events == []
        await session.end()


@on_both_loops
async def test_an_upstream_that_is_stuck_holds_a_released_client_back_too() -> None:
    async with relaying() as relay:
        metered(relay, Rates(None, Rate(30_000_000, 1_000_000)))
        relay.limit(write_seconds=QUARTER_HOUR)
        session = await relay.open()
        stream = frame(BINARY, bytes(100_000), mask=True) * 300
        taken = await stall(session, Side.CLIENT, stream)
        await eventually(lambda: not held(session))
        end = session.engine._tunnels[session.id].upstream
        assert end.transport.get_write_buffer_size() <= WRITE_BUFFER_HIGH_BYTES + 2 * READ_BYTES
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(session.client.send(stream[taken:]))
            assert await session.upstream.exactly(len(stream)) == stream
        await session.end()


@on_both_loops
async def test_sessions_of_one_budget_share_it_fairly() -> None:
    async with relaying() as relay:
        metered(relay, Rates(Rate(100, 1), None), subject="alice")
        sessions = [await relay.open() for _ in range(3)]
        for session in sessions:
            await session.client.send(b"".join(numbered(500)))

        def counts() -> list[int]:
            return [relay.engine.stats(session.id).messages_to_upstream for session in sessions]

        await eventually(lambda: sum(counts()) >= 90)
        assert max(counts()) - min(counts()) <= 5
        for session in sessions:
            await session.end()


@on_both_loops
async def test_a_session_that_goes_leaves_its_turn_to_the_others() -> None:
    async with relaying() as relay:
        metered(relay, Rates(Rate(2, 1), None), subject="alice")
        first, second = await relay.open(), await relay.open()
        for session in (first, second):
            await session.client.send(b"".join(numbered(4)))
            await eventually(lambda session=session: held(session))  # type: ignore[misc]  # bound now
        relay.engine.abort(first.id)
        first.drop()
        await first.events.over()
        await eventually(lambda: relay.engine.stats(second.id).messages_to_upstream == 4)
        await second.end()


@on_both_loops
async def test_the_clients_close_behind_what_waits_passes_after_it() -> None:
    async with relaying() as relay:
        metered(relay, Rates(Rate(20, 1), None))
        session = await relay.open()
        stream = b"".join(numbered(4)) + frame(CLOSE, b"\x03\xe8", mask=True)
        await session.client.send(stream)
        session.client.finish()
        assert await session.upstream.exactly(len(stream)) == stream
        session.upstream.finish()
        closed = await session.end()
        assert closed.first_close is Side.CLIENT


@on_both_loops
async def test_a_client_that_leaves_while_it_waits_is_heard_to_the_end() -> None:
    async with relaying() as relay:
        metered(relay, Rates(Rate(20, 1), None))
        session = await relay.open()
        messages = b"".join(numbered(4))
        await session.client.send(messages)
        session.client.finish()
        assert await session.upstream.exactly(len(messages)) == messages
        await session.end()


class Ample:
    """A meter that never says no."""

    closes = False

    def covers(self, messages: float, size: int) -> bool:
        return True

    def left(self) -> tuple[float, float]:
        return inf, inf

    def spend(self, messages: int, size: int) -> None: ...

    def wait(self) -> float | None: ...

    def settle(self) -> None: ...

    def stop(self) -> None: ...


@on_both_loops
async def test_a_limit_costs_a_read_a_few_calls_and_none_a_message() -> None:
    def cost(session: Opened, data: bytes) -> int:
        return calls_of(lambda: client_end(session).data_received(data))

    async with relaying() as relay:
        plain = await relay.open()
        make: Callable[[], Meter] = Ample
        relay.meter = make
        limited = await relay.open()
        metered(relay, Rates(Rate(1_000_000, 1_000_000), None))
        real = await relay.open()
        few, many = b"".join(numbered(1)), b"".join(numbered(100))
        assert cost(limited, many) - cost(plain, many) <= 16
        # A long read is looked at once for frames that are all alike.
        assert cost(real, many) - cost(real, few) <= 2
        assert cost(real, few) - cost(plain, few) <= 35
        for session in (plain, limited, real):
            await session.end()
