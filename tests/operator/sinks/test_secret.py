"""The Secret with the copies: whole, versioned by the API server, and put right whatever others do to it."""

import asyncio
import base64
from collections.abc import Awaitable, Callable

import pytest

from tests.operator.sinks.api_server import Answer, ApiServer
from wsgate_operator.sinks.api_error import ApiError, Fault
from wsgate_operator.sinks.secret import SecretSink

PATH = "/api/v1/namespaces/wsgate-system/secrets/wsgate-secrets"


def run(scenario: Callable[[ApiServer, SecretSink], Awaitable[None]]) -> None:
    async def play() -> None:
        server = ApiServer()
        async with server.running() as calls:
            await scenario(server, SecretSink(calls, "wsgate", "wsgate-system"))

    asyncio.run(play())


def data(server: ApiServer) -> dict[str, bytes]:
    return {name: base64.b64decode(text) for name, text in server.objects[PATH]["data"].items()}


def test_copies_are_written_once_and_read_again_by_the_next_life() -> None:
    async def scenario(server: ApiServer, sink: SecretSink) -> None:
        assert await sink.load() == {}
        assert await sink.write({"a": b"first", "b": b"second"})
        assert data(server) == {"a.pem": b"first", "b.pem": b"second"}
        assert server.objects[PATH]["type"] == "Opaque"
        assert server.objects[PATH]["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "wsgate-operator"
        assert not await sink.write({"b": b"second", "a": b"first"})
        assert await sink.load() == {"a": b"first", "b": b"second"}

    run(scenario)


def test_without_copies_no_secret_is_made_and_one_that_is_there_is_emptied() -> None:
    async def scenario(server: ApiServer, sink: SecretSink) -> None:
        assert not await sink.write({})
        assert PATH not in server.objects
        await sink.write({"a": b"first"})
        assert await sink.write({})
        assert data(server) == {}

    run(scenario)


def test_what_others_put_there_goes_and_their_labels_stay() -> None:
    async def scenario(server: ApiServer, sink: SecretSink) -> None:
        metadata = {"name": "wsgate-secrets", "labels": {"team": "platform"}}
        foreign = base64.b64encode(b"x").decode()
        server.put(PATH, {"metadata": metadata, "type": "Opaque", "data": {"a.pem": foreign, "note": foreign}})
        assert await sink.load() == {"a": b"x"}
        assert await sink.write({"a": b"ours"})
        assert data(server) == {"a.pem": b"ours"}
        assert server.objects[PATH]["metadata"]["labels"]["team"] == "platform"

    run(scenario)


def test_a_secret_that_others_change_or_delete_meanwhile_is_read_anew() -> None:
    async def scenario(server: ApiServer, sink: SecretSink) -> None:
        await sink.write({"a": b"first"})
        changed = {**server.objects[PATH], "data": {}}
        server.before_write.append(lambda: server.put(PATH, changed))
        assert await sink.write({"a": b"second"})
        server.before_write.append(lambda: server.objects.pop(PATH))
        assert await sink.write({"a": b"third"})
        assert data(server) == {"a.pem": b"third"}

    run(scenario)


def test_data_that_is_no_base64_is_no_copy() -> None:
    async def scenario(server: ApiServer, sink: SecretSink) -> None:
        server.put(PATH, {"metadata": {"name": "wsgate-secrets"}, "data": {"a.pem": "!", "b.pem": None}})
        assert await sink.load() == {}

    run(scenario)


def test_a_missing_right_is_told_as_it_is() -> None:
    async def scenario(server: ApiServer, sink: SecretSink) -> None:
        server.refuse = lambda method, path: Answer(403, "no right")
        for call in (sink.load(), sink.write({"a": b"SECRET"})):
            with pytest.raises(ApiError, match="no right") as caught:
                await call
            assert caught.value.fault is Fault.FORBIDDEN
            assert "SECRET" not in str(caught.value)

    run(scenario)
