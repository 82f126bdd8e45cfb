"""The one Secret that holds copies of client certificates: whole, restored when somebody else touches it."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from wsgate_contract.client_certificate import SUFFIX, file_name
from wsgate_operator.sinks.api_calls import ApiCalls, Document, Target, collection_of
from wsgate_operator.sinks.api_error import ApiError, Fault

ATTEMPTS = 4
"""Writes tried while others change the same Secret; after that the caller tries again later."""


class SecretSink:
    """Keeps `<gateway>-secrets` equal to the latest copies; both methods raise ApiError."""

    def __init__(self, calls: ApiCalls, gateway: str, namespace: str) -> None:
        self._calls = calls
        self._target = Target("", "v1", "secrets", namespace, f"{gateway}-secrets")
        self._labels = {
            "app.kubernetes.io/name": "wsgate",
            "app.kubernetes.io/instance": gateway,
            "app.kubernetes.io/component": "secrets",
            "app.kubernetes.io/managed-by": "wsgate-operator",
        }

    def __str__(self) -> str:
        return f"Secret {self._target.namespace}/{self._target.name}"

    async def load(self) -> dict[str, bytes]:
        """The copies that stand there, by id; empty where there is no Secret."""
        data = (await self._read() or {}).get("data") or {}
        return {
            name.removesuffix(SUFFIX): content
            for name, text in data.items()
            if name.endswith(SUFFIX) and (content := _decoded(text)) is not None
        }

    async def write(self, copies: Mapping[str, bytes]) -> bool:
        """Write the copies, by id, unless the Secret says the same already; answers whether it was written."""
        data = {file_name(id_): base64.b64encode(pem).decode() for id_, pem in copies.items()}
        for _ in range(ATTEMPTS - 1):
            found = await self._read()
            try:
                return await self._write_over(found, data)
            except ApiError as error:
                was_deleted = error.fault is Fault.NOT_FOUND and found is not None
                if error.fault is not Fault.CONFLICT and not was_deleted:
                    raise
        return await self._write_over(await self._read(), data)

    async def _read(self) -> Document | None:
        try:
            return await self._calls.get(self._target)
        except ApiError as error:
            if error.fault is Fault.NOT_FOUND:
                return None
            raise

    async def _write_over(self, found: Document | None, data: dict[str, str]) -> bool:
        if found is None and not data:
            # A gateway without client certificates leaves nothing behind.
            return False
        held, metadata = found or {}, (found or {}).get("metadata") or {}
        ours = self._metadata(metadata)
        if found is not None and (held.get("data") or {}) == data and ours == metadata:
            return False
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": held.get("type", "Opaque"),
            "metadata": ours,
            "data": data,
        }
        if found is None:
            await self._calls.create(collection_of(self._target), body)
        else:
            # The resourceVersion in metadata is the precondition.
            await self._calls.update(self._target, body)
        return True

    def _metadata(self, found: dict[str, Any]) -> dict[str, Any]:
        """Ours on top of what others put there."""
        return {
            **found,
            "name": self._target.name,
            "namespace": self._target.namespace,
            "labels": {**(found.get("labels") or {}), **self._labels},
        }


def _decoded(text: object) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True) if isinstance(text, str) else None
    except (binascii.Error, ValueError):
        return None
