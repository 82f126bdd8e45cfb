"""Verified signatures that pods tell each other through a store, which may be slow, away or lie.

One task and one connection serve all handshakes: they put down what they ask and tell, and the task takes
it to the store in batches. So a handshake waits for an answer or for ANSWER_SECONDS, whatever a driver does.
A store that fails is left alone, and asked again by the task before any handshake is.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum, unique
from itertools import islice
from typing import NamedTuple, Protocol, TypeVar

from wsgate_dataplane.identity.stores.seal import Seal
from wsgate_dataplane.telemetry.metrics import Metrics

log = logging.getLogger("wsgate")

ANSWER_SECONDS = 0.1
"""Longest wait of a handshake, and of the task for one call; what a pod's own work may delay is within it."""
CONNECT_SECONDS = 2.0
CLOSE_SECONDS = 1.0
RETRY_SECONDS = 5.0
"""How long a store that failed is left alone; half of it more or less, so that pods do not return in one blow."""
ASKED_MAX = 1_000
"""Handshakes that wait for the store; the next one verifies its token."""
TOLD_MAX = 1_000
"""Proofs that wait to be written; the next one is not."""
BATCH_MAX = 200
"""Names in one call; making and reading that many takes some milliseconds, in which nothing else runs."""
SWEEP_SECONDS = 60.0
SWEEP_PAUSE_SECONDS = 1.0
"""Between two calls of a sweep that found more than it could take."""
FAULT_LENGTH_MAX = 300
PROBE = "probe"
PROBE_VALUE = b"wsgate"
PROBE_LIFETIME_SECONDS = 60

Result = TypeVar("Result")


class StoreFault(Exception):
    """The store cannot be used; the text says why and holds no secret."""


class Entry(NamedTuple):
    """What a store keeps under a name."""

    name: str
    value: bytes
    expires_at: int
    """Unix seconds."""


class Backend(Protocol):
    """The commands of one kind of store; they may take long and raise anything, and are cancelled when late."""

    setting: str
    """The environment variable that says where it is."""

    async def open(self) -> None: ...
    async def read(self, names: Sequence[str]) -> list[bytes | None]: ...
    async def write(self, entries: Sequence[Entry]) -> None: ...

    async def sweep(self) -> bool:
        """Remove some of what is past its time; whether there may be more."""

    async def close(self) -> None: ...


@unique
class Finding(StrEnum):
    """Where a proof was found, or why not: then the signature is verified. Also the metric's label."""

    __hash__ = str.__hash__  # Enum's own is a Python function

    MEMORY = "memory"
    SHARED = "shared"
    MISS = "miss"
    UNANSWERED = "unanswered"
    """The store is away or slow."""
    REJECTED = "rejected"
    """The store holds a value that no holder of the key has written."""


class Answer(NamedTuple):
    """Of a shared store."""

    finding: Finding
    expires_at: int = 0
    """Unix seconds, for SHARED."""


class SharedStore:
    """Asks and tells a backend; run() must run. clock answers Unix seconds, random floats in [0, 1)."""

    def __init__(
        self,
        backend: Backend,
        prefix: str,
        seal: Seal,
        metrics: Metrics,
        clock: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        self._backend = backend
        self._prefix = prefix
        self._seal = seal
        self._metrics = metrics
        self._clock = clock
        self._random = random
        self._loop = asyncio.get_running_loop()
        self._has_work = asyncio.Event()
        self._asked: list[tuple[str, asyncio.Future[bytes | None]]] = []
        """Names and who waits for them; None: there will be no answer, empty: the store has nothing."""
        self._told: dict[bytes, int] = {}
        self._sweep_at = 0.0
        self._is_up = False
        self._is_failing = False
        metrics.token_cache_store_up.set(0)

    async def ask(self, proof: bytes, now: float) -> Answer:
        """Never raises, and takes ANSWER_SECONDS at most; now in Unix seconds."""
        if not self._is_up or len(self._asked) >= ASKED_MAX:
            return Answer(Finding.UNANSWERED)
        waiting: asyncio.Future[bytes | None] = self._loop.create_future()
        self._asked.append((self._name(proof), waiting))
        self._has_work.set()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                value = await waiting
        except TimeoutError:
            value = None
        if value is None:
            return Answer(Finding.UNANSWERED)
        if not value:
            return Answer(Finding.MISS)
        expires_at = self._seal.open(proof, value)
        if expires_at is None:
            return Answer(Finding.REJECTED)
        return Answer(Finding.SHARED, expires_at) if expires_at > now else Answer(Finding.MISS)

    def tell(self, proof: bytes, expires_at: int) -> None:
        """Hand it to the task, which writes it; nobody waits for that."""
        if self._is_up and len(self._told) < TOLD_MAX:
            self._told[proof] = expires_at
            self._has_work.set()

    async def run(self) -> None:
        """Serve until cancelled."""
        try:
            while True:
                try:
                    await self._connect()
                    while True:
                        await self._serve()
                except StoreFault as fault:
                    await self._give_up(fault)
                await asyncio.sleep(RETRY_SECONDS * (0.5 + self._random()))
        finally:
            await self._close()

    async def _connect(self) -> None:
        probe = Entry(self._prefix + PROBE, PROBE_VALUE, int(self._clock()) + PROBE_LIFETIME_SECONDS)
        await _within(CONNECT_SECONDS, self._backend.open())
        # Twice: first calls connect or prepare statements. What is too slow then, or takes no writes, is found
        # out here and not by a handshake.
        for seconds in (CONNECT_SECONDS, ANSWER_SECONDS):
            await _within(seconds, self._backend.write([probe]))
            if await _within(seconds, self._backend.read([probe.name])) != [PROBE_VALUE]:
                raise StoreFault("what was written is not there")
        self._is_up = True
        self._metrics.token_cache_store_up.set(1)
        self._sweep_at = self._loop.time() + SWEEP_SECONDS * self._random()
        if self._is_failing:
            self._is_failing = False
            log.info("token cache store works again", extra={"fields": {"setting": self._backend.setting}})

    async def _serve(self) -> None:
        """Wait for work, and do one batch of each kind."""
        await self._wait_for_work()
        if asked := self._asked[:BATCH_MAX]:
            values = await _within(ANSWER_SECONDS, self._backend.read([name for name, _ in asked]))
            # Only now: what raises leaves them to _give_up.
            del self._asked[:BATCH_MAX]
            for (_, waiting), value in zip(asked, values, strict=True):
                if not waiting.done():
                    waiting.set_result(value or b"")
        if told := dict(islice(self._told.items(), BATCH_MAX)):
            await _within(ANSWER_SECONDS, self._backend.write([self._entry(*each) for each in told.items()]))
            for proof in told:
                del self._told[proof]
        if self._loop.time() >= self._sweep_at:
            has_more = await _within(ANSWER_SECONDS, self._backend.sweep())
            self._sweep_at = self._loop.time() + (SWEEP_PAUSE_SECONDS if has_more else SWEEP_SECONDS)

    async def _wait_for_work(self) -> None:
        if self._asked or self._told:
            return
        self._has_work.clear()
        try:
            async with asyncio.timeout_at(self._sweep_at):
                await self._has_work.wait()
        except TimeoutError:
            pass

    async def _give_up(self, fault: StoreFault) -> None:
        self._is_up = False
        self._metrics.token_cache_store_up.set(0)
        self._metrics.token_cache_store_faults.inc()
        for _, waiting in self._asked:
            if not waiting.done():
                waiting.set_result(None)
        self._asked.clear()
        self._told.clear()
        if not self._is_failing:
            self._is_failing = True
            fields = {
                "setting": self._backend.setting,
                "detail": f"{fault}; until it works tokens are verified anew",
            }
            log.error("token cache store fails", extra={"fields": fields})
        await self._close()

    async def _close(self) -> None:
        try:
            await _within(CLOSE_SECONDS, self._backend.close())
        except StoreFault:
            pass

    def _entry(self, proof: bytes, expires_at: int) -> Entry:
        return Entry(self._name(proof), self._seal.close(proof, expires_at), expires_at)

    def _name(self, proof: bytes) -> str:
        return self._prefix + proof.hex()


async def _within(seconds: float, call: Awaitable[Result]) -> Result:
    try:
        async with asyncio.timeout(seconds):
            return await call
    except StoreFault:
        raise
    except TimeoutError:
        raise StoreFault(f"no answer in {seconds:g} s") from None
    except Exception as error:  # noqa: BLE001  # drivers raise their own, the system's, the loop's and plain ones
        raise StoreFault(f"{type(error).__name__}: {error}"[:FAULT_LENGTH_MAX]) from None
