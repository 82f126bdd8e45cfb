"""A store in this process whose faults a test switches, and which counts what it is asked."""

import asyncio
from collections.abc import Sequence

from wsgate_dataplane.identity.stores.shared import Entry


class ScriptedBackend:
    """See Backend; set fault or clear is_answering at any time."""

    setting = "SCRIPTED"

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.reads: list[list[str]] = []
        self.writes: list[list[str]] = []
        self.opened = 0
        self.closed = 0
        self.swept = 0
        self.has_more = False
        """Whether a sweep leaves something."""
        self.fault: Exception | None = None
        """What every call raises."""
        self.forgets = False
        """Whether writes are lost."""
        self.is_answering = asyncio.Event()
        self.is_answering.set()

    async def open(self) -> None:
        self.opened += 1
        await self._answer()

    async def read(self, names: Sequence[str]) -> list[bytes | None]:
        self.reads.append(list(names))
        await self._answer()
        return [self.values.get(name) for name in names]

    async def write(self, entries: Sequence[Entry]) -> None:
        self.writes.append([entry.name for entry in entries])
        await self._answer()
        if not self.forgets:
            self.values.update({entry.name: entry.value for entry in entries})

    async def sweep(self) -> bool:
        self.swept += 1
        await self._answer()
        return self.has_more

    async def close(self) -> None:
        self.closed += 1
        await self._answer()

    async def _answer(self) -> None:
        await self.is_answering.wait()
        if self.fault is not None:
            raise self.fault
