"""The API server over kept-alive connections: kubectl would take longer than what is measured."""

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import yaml

CALL_SECONDS = 30.0
CONNECTIONS_MAX = 16
LINE_BYTES_MAX = 4 * 1_048_576
"""A watch tells a whole ConfigMap in one line."""
GROUP_PATH = "/apis/wsgate.dev/v1alpha1"


class ApiCallFailed(Exception):
    """The API server did not do what it was asked."""


class ApiServer:
    """`async with ApiServer(kubeconfig) as api`, of a user with a token. Moments are time.monotonic()."""

    def __init__(self, kubeconfig: Path) -> None:
        document = yaml.safe_load(kubeconfig.read_text())
        cluster = document["clusters"][0]["cluster"]
        self._url = cluster["server"]
        self._trust = ssl.create_default_context(cafile=cluster["certificate-authority"])
        self._token = document["users"][0]["user"]["token"]

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(
            self._url,
            connector=aiohttp.TCPConnector(ssl=self._trust, limit=CONNECTIONS_MAX),
            headers={"Authorization": f"Bearer {self._token}"},
            timeout=aiohttp.ClientTimeout(total=CALL_SECONDS),
            read_bufsize=LINE_BYTES_MAX,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()

    async def create(self, path: str, document: dict[str, Any]) -> float:
        """POST; the moment at which the 201 was here."""
        return await self._call("POST", path, document, expected=201)

    async def merge(self, path: str, patch: dict[str, Any]) -> float:
        """PATCH by RFC 7396; the moment at which the 200 was here."""
        return await self._call("PATCH", path, patch, "application/merge-patch+json")

    async def get(self, path: str) -> Any:
        """The document there."""
        async with self._http.get(path) as response:
            if response.status != 200:
                raise ApiCallFailed(f"GET {path}: {response.status} {await response.text()}")
            return await response.json()

    async def watch(self, path: str) -> AsyncIterator[tuple[float, dict[str, Any]]]:
        """What is there and what it becomes, each with the moment at which it was here; ends by cancellation."""
        async with self._http.get(path, timeout=aiohttp.ClientTimeout()) as response:
            async for line in response.content:
                at = time.monotonic()
                event = json.loads(line)
                if event["type"] in ("ADDED", "MODIFIED"):
                    yield at, event["object"]
        raise ApiCallFailed(f"the watch of {path} ended")

    async def _call(
        self,
        method: str,
        path: str,
        document: dict[str, Any],
        content: str = "application/json",
        expected: int = 200,
    ) -> float:
        body, headers = json.dumps(document).encode(), {"Content-Type": content}
        async with self._http.request(method, path, data=body, headers=headers) as response:
            at = time.monotonic()
            if response.status != expected:
                raise ApiCallFailed(f"{method} {path}: {response.status} {await response.text()}")
            # Else the connection could not be used again.
            await response.read()
            return at


def collection(plural: str, namespace: str) -> str:
    """The path of our objects of one kind in a namespace."""
    return f"{GROUP_PATH}/namespaces/{namespace}/{plural}"


class Watching:
    """The events of a watch in the order of their arrival, read beside whatever else goes on."""

    def __init__(self, api: ApiServer, path: str, tasks: asyncio.TaskGroup) -> None:
        self._queue: asyncio.Queue[tuple[float, dict[str, Any]]] = asyncio.Queue()
        self._reading = tasks.create_task(self._read(api, path))

    async def next(self, seconds: float) -> tuple[float, dict[str, Any]]:
        """The next moment and object; raises TimeoutError."""
        async with asyncio.timeout(seconds):
            return await self._queue.get()

    def stop(self) -> None:
        """Read no more."""
        self._reading.cancel()

    async def _read(self, api: ApiServer, path: str) -> None:
        async for event in api.watch(path):
            self._queue.put_nowait(event)
