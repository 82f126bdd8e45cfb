"""An object is read, written over, and tried again where somebody else was quicker."""

import asyncio

import pytest

from tests.operator.sinks.api_server import ApiServer
from wsgate_operator.sinks.api_calls import Document, Target
from wsgate_operator.sinks.api_error import ApiError, Fault
from wsgate_operator.sinks.kept_object import ATTEMPTS, KeptObject

TARGET = Target("", "v1", "configmaps", "wsgate-system", "wsgate-kept")


def test_it_is_made_where_there_is_none_and_keeps_what_others_wrote_beside() -> None:
    async def play() -> None:
        async with ApiServer().running() as calls:
            kept = KeptObject(calls, TARGET, "wsgate", "kept")

            async def write_over(found: Document | None) -> None:
                metadata = kept.metadata((found or {}).get("metadata") or {"labels": {"others": "stays"}})
                await kept.put(found, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})

            assert await kept.read() is None
            for _ in range(2):
                await kept.bring_about(write_over)
            found = await kept.read()
            assert found is not None
            assert found["metadata"]["labels"]["others"] == "stays"
            assert found["metadata"]["labels"]["app.kubernetes.io/component"] == "kept"

    asyncio.run(play())


def test_others_are_given_way_to_so_often_and_no_other_fault_is_tried_again() -> None:
    async def play() -> None:
        async with ApiServer().running() as calls:
            kept = KeptObject(calls, TARGET, "wsgate", "kept")
            for fault, expected in ((Fault.CONFLICT, ATTEMPTS), (Fault.FORBIDDEN, 1)):
                tries = 0

                async def fail(found: Document | None, fault: Fault = fault) -> None:
                    nonlocal tries
                    tries += 1
                    raise ApiError(fault, "put it", "as the test says")

                with pytest.raises(ApiError):
                    await kept.bring_about(fail)
                assert tries == expected

    asyncio.run(play())
