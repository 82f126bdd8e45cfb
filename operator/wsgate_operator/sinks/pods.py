"""The data-plane pods: which there are, and an annotation that makes kubelet refresh their volumes at once."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from wsgate_operator.sinks.api_calls import ApiCalls, Document, Target
from wsgate_operator.sinks.api_error import ApiError, Fault
from wsgate_operator.sinks.configmap import VERSION_ANNOTATION
from wsgate_operator.sinks.lasting_fault import LastingFault

CONCURRENT_CALLS = 8
ENDED_PHASES = ("Succeeded", "Failed")


@dataclass(frozen=True)
class Pod:
    """One data-plane pod; mark is the annotation's value."""

    name: str
    phase: str
    is_leaving: bool
    mark: str

    @property
    def is_live(self) -> bool:
        """Whether it may serve sessions."""
        return not self.is_leaving and self.phase not in ENDED_PHASES


@dataclass(frozen=True)
class Bumped:
    """How many pods were annotated, and which could not be: they see the change a minute later."""

    pods: int
    failed: Mapping[str, ApiError]


class PodsSink:
    """Lists and annotates the pods of one gateway."""

    def __init__(self, calls: ApiCalls, gateway: str, namespace: str) -> None:
        self._calls = calls
        self._pods = Target("", "v1", "pods", namespace)
        self._selector = ",".join(
            (
                "app.kubernetes.io/name=wsgate",
                "app.kubernetes.io/component=dataplane",
                f"app.kubernetes.io/instance={gateway}",
            )
        )
        self._fault = LastingFault("pods not told of a new version")

    async def list(self) -> tuple[Pod, ...]:
        """The pods by name, those that are leaving too; raises ApiError."""
        found = await self._calls.list_all(self._pods, self._selector)
        return tuple(sorted((_pod(document) for document in found), key=lambda pod: pod.name))

    async def bump(self, mark: str) -> Bumped:
        """Write mark, which must differ for every write of a ConfigMap, to all live pods.

        Raises ApiError where they cannot be listed; what fails with a pod is logged and answered.
        """
        pods = [pod for pod in await self.list() if pod.is_live and pod.mark != mark]
        failed: dict[str, ApiError] = {}
        queue = iter(pods)
        async with asyncio.TaskGroup() as group:
            for _ in range(CONCURRENT_CALLS):
                group.create_task(self._annotate(queue, mark, failed))
        for error in failed.values():
            self._fault.failed(error.fault, str(error))
        if not failed:
            self._fault.succeeded()
        return Bumped(len(pods) - len(failed), failed)

    async def _annotate(self, pods: Iterator[Pod], mark: str, failed: dict[str, ApiError]) -> None:
        body: Document = {"metadata": {"annotations": {VERSION_ANNOTATION: mark}}}
        for pod in pods:
            target = Target("", "v1", "pods", self._pods.namespace, pod.name)
            try:
                await self._calls.merge(target, body)
            except ApiError as error:
                if error.fault is not Fault.NOT_FOUND:
                    failed[pod.name] = error


def _pod(document: Document) -> Pod:
    metadata = document.get("metadata") or {}
    return Pod(
        name=str(metadata.get("name", "")),
        phase=str((document.get("status") or {}).get("phase", "Unknown")),
        is_leaving="deletionTimestamp" in metadata,
        mark=str((metadata.get("annotations") or {}).get(VERSION_ANNOTATION, "")),
    )
