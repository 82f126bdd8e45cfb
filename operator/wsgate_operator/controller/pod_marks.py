"""Pods are told that a ConfigMap or the Secret has changed, since kubelet would take a minute to look."""

import asyncio
from typing import Literal

from wsgate_contract.rendered import Content
from wsgate_operator.sinks.api_error import ApiError
from wsgate_operator.sinks.lasting_fault import LastingFault
from wsgate_operator.sinks.pods import PodsSink

Mounted = Content | Literal["secrets"]
AGAIN_SECONDS = 5.0
PAUSE_SECONDS = 1.0
"""Least pause between two rounds, each of which is a call for every pod."""


class PodMarks:
    """Annotates the pods with what is newest; several changes in a row make one round."""

    def __init__(self, pods: PodsSink) -> None:
        self._pods = pods
        self._newest: dict[Mounted, str] = {}
        self._changed = asyncio.Event()
        self._fault = LastingFault("pods not listed to tell them of a new version")

    def note(self, content: Mounted, version: str) -> None:
        """It was written; version differs for every write."""
        self._newest[content] = version
        self._changed.set()

    async def make_round(self) -> None:
        """Wait for something new, annotate, pause; what failed is something new for the next round."""
        await self._changed.wait()
        is_done = False
        self._changed.clear()
        try:
            is_done = await self._is_told()
        finally:
            if not is_done:
                self._changed.set()
        await asyncio.sleep(PAUSE_SECONDS if is_done else AGAIN_SECONDS)

    async def _is_told(self) -> bool:
        mark = " ".join(f"{content}-{version}" for content, version in sorted(self._newest.items()))
        try:
            bumped = await self._pods.bump(mark)
        except ApiError as error:
            self._fault.failed(error.fault, str(error))
            return False
        self._fault.succeeded()
        return not bumped.failed
