"""The one Secret that holds copies of client certificates: whole, restored when somebody else touches it."""

import base64
import binascii
from collections.abc import Mapping

from wsgate_contract.client_certificate import SUFFIX, file_name
from wsgate_operator.sinks.api_calls import ApiCalls, Document, Target
from wsgate_operator.sinks.kept_object import KeptObject


class SecretSink:
    """Keeps `<gateway>-secrets` equal to the latest copies; both methods raise ApiError."""

    def __init__(self, calls: ApiCalls, gateway: str, namespace: str) -> None:
        self._target = Target("", "v1", "secrets", namespace, f"{gateway}-secrets")
        self._kept = KeptObject(calls, self._target, gateway, "secrets")

    def __str__(self) -> str:
        return f"Secret {self._target.namespace}/{self._target.name}"

    async def load(self) -> dict[str, bytes]:
        """The copies that stand there, by id; empty where there is no Secret."""
        data = (await self._kept.read() or {}).get("data") or {}
        return {
            name.removesuffix(SUFFIX): content
            for name, text in data.items()
            if name.endswith(SUFFIX) and (content := _decoded(text)) is not None
        }

    async def write(self, copies: Mapping[str, bytes]) -> bool:
        """Write the copies, by id, unless the Secret says the same already; answers whether it was written."""
        data = {file_name(id_): base64.b64encode(pem).decode() for id_, pem in copies.items()}
        return await self._kept.bring_about(lambda found: self._write_over(found, data))

    async def _write_over(self, found: Document | None, data: dict[str, str]) -> bool:
        if found is None and not data:
            # A gateway without client certificates leaves nothing behind.
            return False
        held, metadata = found or {}, (found or {}).get("metadata") or {}
        ours = self._kept.metadata(metadata)
        if found is not None and (held.get("data") or {}) == data and ours == metadata:
            return False
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": held.get("type", "Opaque"),
            "metadata": ours,
            "data": data,
        }
        await self._kept.put(found, body)
        return True


def _decoded(text: object) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True) if isinstance(text, str) else None
    except (binascii.Error, ValueError):
        return None
