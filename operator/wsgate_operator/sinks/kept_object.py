"""An object in the API server that the operator keeps as it wants it, whoever else touches it."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from wsgate_operator.sinks.api_calls import ApiCalls, Document, Target, collection_of
from wsgate_operator.sinks.api_error import ApiError, Fault

ATTEMPTS = 4
"""Writes tried while others change the same object; after that the caller tries again later."""

T = TypeVar("T")


class KeptObject:
    """Read it, and write over what was found; all calls raise ApiError."""

    def __init__(self, calls: ApiCalls, target: Target, gateway: str, component: str) -> None:
        self._calls = calls
        self._target = target
        self._labels = {
            "app.kubernetes.io/name": "wsgate",
            "app.kubernetes.io/instance": gateway,
            "app.kubernetes.io/component": component,
            "app.kubernetes.io/managed-by": "wsgate-operator",
        }

    async def read(self) -> Document | None:
        """What stands there; None where there is none."""
        try:
            return await self._calls.get(self._target)
        except ApiError as error:
            if error.fault is Fault.NOT_FOUND:
                return None
            raise

    async def bring_about(self, write_over: Callable[[Document | None], Awaitable[T]]) -> T:
        """Hand over what stands there, again where somebody else has changed or deleted it meanwhile."""
        for _ in range(ATTEMPTS - 1):
            found = await self.read()
            try:
                return await write_over(found)
            except ApiError as error:
                was_deleted = error.fault is Fault.NOT_FOUND and found is not None
                if error.fault is not Fault.CONFLICT and not was_deleted:
                    raise
        return await write_over(await self.read())

    async def put(self, found: Document | None, body: Document) -> None:
        """Write it in the place of what was found; its metadata begin as metadata() made them."""
        if found is None:
            await self._calls.create(collection_of(self._target), body)
        else:
            # The resourceVersion in metadata is the precondition.
            await self._calls.update(self._target, body)

    def metadata(self, found: dict[str, Any]) -> dict[str, Any]:
        """Ours on top of what others put there."""
        return {
            **found,
            "name": self._target.name,
            "namespace": self._target.namespace,
            "labels": {**(found.get("labels") or {}), **self._labels},
        }
