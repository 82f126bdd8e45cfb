"""Calls of the API server: JSON in and out, each with a deadline, each fault as an ApiError."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal
from urllib.parse import quote

import aiohttp
from kubernetes.aio.client import ApiClient

from wsgate_operator.sinks.api_error import ApiError, Fault, error_of_answer

CALL_SECONDS = 10.0
PAGE_ITEMS = 500
PAGES_MAX = 100

Verb = Literal["get", "list", "create", "update", "patch"]
Document = dict[str, Any]

_METHODS: Mapping[Verb, str] = {
    "get": "GET",
    "list": "GET",
    "create": "POST",
    "update": "PUT",
    "patch": "PATCH",
}


@dataclass(frozen=True)
class Target:
    """A namespaced resource, or one object of it where name is given; group is empty for the core's."""

    group: str
    version: str
    resource: str
    namespace: str
    name: str = ""
    subresource: str = ""

    @property
    def path(self) -> str:
        """The path at the API server."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        parts = [part for part in (self.resource, self.name, self.subresource) if part]
        return "/".join([root, "namespaces", *(quote(part, safe="") for part in (self.namespace, *parts))])

    def __str__(self) -> str:
        kind = "/".join(part for part in (self.resource, self.subresource) if part)
        return f"{kind} {self.namespace}/{self.name}" if self.name else f"{kind} in {self.namespace}"


class ApiCalls:
    """Reads and writes objects as JSON-shaped mappings, so that fields unknown here survive.

    Every method raises ApiError and nothing else. Nothing is retried: each caller bounds its own.
    """

    def __init__(self, client: ApiClient, call_seconds: float = CALL_SECONDS) -> None:
        self._client = client
        self._call_seconds = call_seconds

    async def get(self, target: Target) -> Document:
        """The object."""
        return await self._call("get", target)

    async def create(self, target: Target, body: Document) -> Document:
        """The new object; target names the collection."""
        return await self._call("create", target, body=body)

    async def update(self, target: Target, body: Document) -> Document:
        """Replace the object if it still has the resourceVersion in body; else Fault.CONFLICT."""
        return await self._call("update", target, body=body)

    async def merge(self, target: Target, body: Document) -> Document:
        """Change the fields that body names."""
        return await self._call("patch", target, body=body, content_type="application/merge-patch+json")

    async def apply(self, target: Target, body: Document, field_manager: str) -> Document:
        """Server-side apply; fields that another manager holds are taken over."""
        return await self._call(
            "patch",
            target,
            query=[("fieldManager", field_manager), ("force", "true")],
            body=body,
            content_type="application/apply-patch+yaml",
        )

    async def list_all(self, target: Target, label_selector: str) -> list[Document]:
        """All objects with these labels, page by page."""
        found: list[Document] = []
        query = [("labelSelector", label_selector), ("limit", str(PAGE_ITEMS))]
        token = ""
        for _ in range(PAGES_MAX):
            page = await self._call("list", target, query=[*query, *([("continue", token)] if token else [])])
            found += page.get("items") or []
            token = (page.get("metadata") or {}).get("continue") or ""
            if not token:
                return found
        raise ApiError(Fault.TOO_LARGE, f"list {target}", f"more than {PAGES_MAX * PAGE_ITEMS} objects")

    async def _call(
        self,
        verb: Verb,
        target: Target,
        *,
        query: list[tuple[str, str]] | None = None,
        body: Document | None = None,
        content_type: str = "application/json",
    ) -> Document:
        call = f"{verb} {target}"
        try:
            async with asyncio.timeout(self._call_seconds):
                request = await self._client.param_serialize(
                    _METHODS[verb],
                    target.path,
                    query_params=query or [],
                    header_params={"Accept": "application/json", "Content-Type": content_type},
                    body=body,
                    auth_settings=["BearerToken"],
                )
                answer = (await self._client.call_api(*request)).response
                try:
                    content: bytes = await answer.read()
                finally:
                    answer.release()
        except TimeoutError as error:
            detail = f"no answer within {self._call_seconds:g} s"
            raise ApiError(Fault.TIMEOUT, call, detail) from error
        except (aiohttp.ClientError, OSError) as error:
            raise ApiError(Fault.UNREACHABLE, call, str(error) or type(error).__name__) from error
        if not 200 <= answer.status <= 299:
            raise error_of_answer(call, answer.status, answer.headers, content)
        return _object(call, content)


def collection_of(target: Target) -> Target:
    """Where an object of this kind is created."""
    return replace(target, name="", subresource="")


def _object(call: str, content: bytes) -> Document:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ApiError(Fault.UNEXPECTED, call, f"the answer is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise ApiError(Fault.UNEXPECTED, call, "the answer is not a JSON object")
    return found
