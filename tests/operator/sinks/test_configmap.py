"""The ConfigMap says what was written last, under versions that only grow, whoever touches it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import yaml

from tests.operator.sinks.api_server import Answer, ApiServer
from tests.operator.sinks.test_packed import noisy_routes
from wsgate_contract import rendered
from wsgate_contract.revocation import RevocationRecord
from wsgate_contract.route import Route
from wsgate_operator.sinks.api_calls import ApiCalls
from wsgate_operator.sinks.api_error import ApiError, Fault
from wsgate_operator.sinks.configmap import VERSION_ANNOTATION, ConfigMapSink
from wsgate_operator.sinks.kept_object import ATTEMPTS
from wsgate_operator.sinks.packed import VERSION_MAX, CapacityExceededError
from wsgate_operator.sinks.rendered_text import Items, document_text

PATH = "/api/v1/namespaces/system/configmaps/wsgate-routes"
A, B = (
    Items().of_routes([Route(namespace="default", name=name, prefix=f"/{name}", upstream="ws://a")])
    for name in "ab"
)
R = Items().of_records([RevocationRecord(id="default/r1", subject="alice")])

Scenario = Callable[[ApiServer, ConfigMapSink], Awaitable[None]]


def sink_of(calls: ApiCalls, content: rendered.Content = "routes") -> ConfigMapSink:
    return ConfigMapSink(calls, "wsgate", "system", content)


def run(scenario: Scenario, content: rendered.Content = "routes") -> ApiServer:
    """Play it against a fresh server."""
    server = ApiServer()

    async def play() -> None:
        async with server.running() as calls:
            await scenario(server, sink_of(calls, content))

    asyncio.run(play())
    return server


def held(server: ApiServer, path: str = PATH) -> rendered.RenderedDocument:
    """The document in the ConfigMap, its digest proven."""
    ((name, text),) = server.objects[path]["data"].items()
    return rendered.read("routes" if name == "routes.yaml" else "revocations", yaml.safe_load(text))


def edit(server: ApiServer, **fields: Any) -> None:
    """As kubectl edit does."""
    server.put(PATH, {**server.objects[PATH], **fields})


def test_a_missing_configmap_is_created_with_our_labels() -> None:
    async def scenario(server: ApiServer, sink: ConfigMapSink) -> None:
        written = await sink.write(A)
        assert (written.version, written.sha256, written.changed) == (1, rendered.digest(A), True)
        assert held(server).items == A

    metadata = run(scenario).objects[PATH]["metadata"]
    assert metadata["labels"] == {
        "app.kubernetes.io/name": "wsgate",
        "app.kubernetes.io/instance": "wsgate",
        "app.kubernetes.io/component": "routes",
        "app.kubernetes.io/managed-by": "wsgate-operator",
    }
    assert metadata["annotations"] == {VERSION_ANNOTATION: "1"}


def test_the_version_grows_with_the_content_only() -> None:
    async def scenario(_: ApiServer, sink: ConfigMapSink) -> None:
        written = [await sink.write(items) for items in (A, A, [*A, *B], [])]
        assert [each.version for each in written] == [1, 1, 2, 3]
        assert [each.changed for each in written] == [True, False, True, True]

    server = run(scenario)
    assert (server.calls["POST"], server.calls["PUT"]) == (1, 2)


def test_a_restart_continues_and_writes_nothing_that_is_there() -> None:
    async def play() -> None:
        server = ApiServer()
        async with server.running() as calls:
            await sink_of(calls).write(A)
            await sink_of(calls).write(B)
            again = await sink_of(calls).write(B)
            assert (again.version, again.changed) == (2, False)
            assert (await sink_of(calls).write(A)).version == 3

    asyncio.run(play())


def test_labels_and_annotations_of_others_are_kept() -> None:
    async def scenario(server: ApiServer, sink: ConfigMapSink) -> None:
        await sink.write(A)
        metadata = server.objects[PATH]["metadata"]
        theirs = {"labels": {"team": "a"}, "annotations": {"note": "x"}, "finalizers": ["theirs"]}
        edit(server, metadata={**metadata, **theirs})
        assert (await sink.write(B)).version == 2

    metadata = run(scenario).objects[PATH]["metadata"]
    assert metadata["labels"]["team"] == "a"
    assert metadata["labels"]["app.kubernetes.io/managed-by"] == "wsgate-operator"
    assert metadata["annotations"] == {"note": "x", VERSION_ANNOTATION: "2"}
    assert metadata["finalizers"] == ["theirs"]


def test_what_others_add_to_the_metadata_is_no_reason_to_write() -> None:
    async def scenario(server: ApiServer, sink: ConfigMapSink) -> None:
        await sink.write(A)
        server.objects[PATH]["metadata"]["labels"]["team"] = "a"
        verified = await sink.verify()
        assert verified is not None and not verified.changed

    run(scenario)


def test_labels_of_ours_come_back_without_a_new_version() -> None:
    async def scenario(server: ApiServer, sink: ConfigMapSink) -> None:
        await sink.write(A)
        server.objects[PATH]["metadata"]["labels"] = {}
        verified = await sink.verify()
        assert verified is not None and (verified.version, verified.changed) == (1, True)

    run(scenario)


def test_before_the_first_write_there_is_nothing_to_verify() -> None:
    async def scenario(_: ApiServer, sink: ConfigMapSink) -> None:
        assert await sink.verify() is None

    assert run(scenario).calls.total() == 0


def test_a_deleted_configmap_comes_back_with_a_higher_version() -> None:
    async def scenario(server: ApiServer, sink: ConfigMapSink) -> None:
        await sink.write(A)
        del server.objects[PATH]
        verified = await sink.verify()
        assert verified is not None and (verified.version, verified.changed) == (2, True)
        assert held(server).items == A

    run(scenario)


def test_a_version_seen_elsewhere_is_exceeded_where_the_configmap_is_gone() -> None:
    async def scenario(_: ApiServer, sink: ConfigMapSink) -> None:
        sink.remember(41)
        sink.remember(VERSION_MAX + 1)
        assert (await sink.write(A)).version == 42

    run(scenario)


@pytest.mark.parametrize(
    ("data", "version"),
    [
        ({"routes.yaml": "version: 40\nboo"}, 41),
        ({"routes.yaml": "boo"}, 2),
        ({}, 2),
        ({"routes.yaml": document_text("routes", A, 1), "extra": "x"}, 2),
        ({"routes.yaml": document_text("routes", A, 1) + "# looks harmless\n"}, 2),
        ({"routes.yaml": document_text("routes", B, 7)}, 8),
        ({"routes.yaml": document_text("routes", A, 7)}, 8),
        # A confirmation that nobody gave.
        ({"routes.yaml": document_text("routes", A, 1, confirmed_at=9e9)}, 2),
        ({"routes.yaml": f"version: {VERSION_MAX * 10}\n"}, 2),
    ],
)
def test_an_edited_configmap_is_restored_with_a_higher_version(data: dict[str, str], version: int) -> None:
    async def scenario(server: ApiServer, sink: ConfigMapSink) -> None:
        await sink.write(A)
        edit(server, data=data)
        verified = await sink.verify()
        assert verified is not None and (verified.version, verified.changed) == (version, True)
        assert (held(server).items, held(server).version, held(server).confirmed_at) == (A, version, None)
        again = await sink.verify()
        assert again is not None and not again.changed

    run(scenario)


def test_the_annotation_keeps_the_version_that_a_restart_cannot_read() -> None:
    async def play() -> None:
        server = ApiServer()
        async with server.running() as calls:
            for items in (A, B, A):
                await sink_of(calls).write(items)
            edit(server, data={"routes.yaml": "boo"})
            assert (await sink_of(calls).write(A)).version == 4

    asyncio.run(play())


@pytest.mark.parametrize("annotation", ["", "x", "-4", "²", "9" * 400])
def test_an_annotation_that_is_no_version_is_ignored(annotation: str) -> None:
    async def scenario(server: ApiServer, sink: ConfigMapSink) -> None:
        server.put(PATH, {"metadata": {"annotations": {VERSION_ANNOTATION: annotation}}})
        assert (await sink.write(A)).version == 1

    run(scenario)


def test_a_confirmation_is_written_under_the_same_version() -> None:
    path = PATH.replace("routes", "revocations")

    async def scenario(server: ApiServer, sink: ConfigMapSink) -> None:
        found = []
        for items, confirmed_at in ((R, 100.25), (R, None), (R, 120), (R, 120), ([], None)):
            written = await sink.write(items, confirmed_at=confirmed_at)
            found.append((written.version, written.changed, held(server, path).confirmed_at))
        assert found == [
            (1, True, 100.25),
            (1, False, 100.25),
            (1, True, 120.0),
            (1, False, 120.0),
            (2, True, None),
        ]

    run(scenario, "revocations")


def test_a_restored_configmap_keeps_the_confirmation_it_had() -> None:
    path = PATH.replace("routes", "revocations")

    async def scenario(server: ApiServer, sink: ConfigMapSink) -> None:
        await sink.write(R, confirmed_at=100.25)
        await sink.write(R)
        del server.objects[path]
        await sink.verify()
        assert (held(server, path).version, held(server, path).confirmed_at) == (2, 100.25)

    run(scenario, "revocations")


# aiohttp warns of the size of the body; it is sent in about a millisecond.
@pytest.mark.filterwarnings("ignore:Sending a large body")
def test_a_big_document_is_compressed_and_a_small_one_plain_again() -> None:
    async def scenario(server: ApiServer, sink: ConfigMapSink) -> None:
        items = Items().of_routes(noisy_routes(1_000))
        await sink.write(items)
        stored = server.objects[PATH]
        assert (stored["data"], stored["binaryData"].keys()) == ({}, {"routes.yaml.gz"})
        assert not (await sink.write(items)).changed
        await sink.write(A)
        assert (held(server).version, server.objects[PATH]["binaryData"]) == (2, {})

    run(scenario)


def test_a_document_that_does_not_fit_leaves_the_old_one() -> None:
    async def scenario(server: ApiServer, sink: ConfigMapSink) -> None:
        await sink.write(A)
        with pytest.raises(CapacityExceededError):
            await sink.write(Items().of_routes(noisy_routes(2_000)))
        verified = await sink.verify()
        assert verified is not None and not verified.changed
        assert held(server).items == A

    run(scenario)


def test_a_write_that_meets_another_reads_again() -> None:
    async def scenario(server: ApiServer, sink: ConfigMapSink) -> None:
        await sink.write(A)
        theirs = {"routes.yaml": document_text("routes", B, 7)}
        server.before_write = [lambda: edit(server, data=theirs), lambda: server.objects.pop(PATH)]
        written = await sink.write([*A, *B])
        assert (written.version, written.changed) == (8, True)
        assert held(server).items == [*A, *B]

    server = run(scenario)
    assert (server.calls["PUT"], server.calls["POST"]) == (2, 2)


def test_a_create_that_comes_second_reads_again() -> None:
    async def scenario(server: ApiServer, sink: ConfigMapSink) -> None:
        theirs = {"data": {"routes.yaml": document_text("routes", B, 7)}}
        server.before_write = [lambda: server.put(PATH, theirs)]
        assert (await sink.write(A)).version == 8

    run(scenario)


def test_a_conflict_that_does_not_end_is_given_up() -> None:
    async def scenario(server: ApiServer, sink: ConfigMapSink) -> None:
        await sink.write(A)
        server.calls.clear()
        server.refuse = lambda method, _: Answer(409, "modified") if method == "PUT" else None
        with pytest.raises(ApiError, match="modified"):
            await sink.write(B)

    server = run(scenario)
    assert (server.calls["GET"], server.calls["PUT"]) == (ATTEMPTS, ATTEMPTS)


def test_calls_at_the_same_time_do_not_meet() -> None:
    async def scenario(server: ApiServer, sink: ConfigMapSink) -> None:
        await sink.write(A)
        server.calls.clear()
        await asyncio.gather(sink.write(B), sink.verify(), sink.write(A), sink.verify())
        assert (held(server).items, held(server).version) == (A, 3)

    assert run(scenario).calls == {"GET": 4, "PUT": 2}


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (Answer(403), Fault.FORBIDDEN),
        (Answer(404, 'namespaces "system" not found'), Fault.NOT_FOUND),
        (Answer(429, headers={"Retry-After": "2"}), Fault.THROTTLED),
        (Answer(422, "Too long: may not be more than 1048576 bytes"), Fault.TOO_LARGE),
        (Answer(500), Fault.SERVER),
    ],
)
def test_a_refused_write_is_not_repeated(answer: Answer, fault: Fault) -> None:
    async def scenario(server: ApiServer, sink: ConfigMapSink) -> None:
        server.refuse = lambda method, _: answer if method == "POST" else None
        with pytest.raises(ApiError) as caught:
            await sink.write(A)
        assert caught.value.fault is fault

    assert run(scenario).calls.total() == 2


def test_a_configmap_that_cannot_be_read_is_not_taken_for_a_missing_one() -> None:
    async def scenario(server: ApiServer, sink: ConfigMapSink) -> None:
        server.refuse = lambda method, _: Answer(503) if method == "GET" else None
        with pytest.raises(ApiError):
            await sink.write(A)

    assert run(scenario).calls == {"GET": 1}


def test_after_a_fault_the_same_write_succeeds() -> None:
    async def scenario(server: ApiServer, sink: ConfigMapSink) -> None:
        await sink.write(A)
        server.faults = [Answer(500)]
        with pytest.raises(ApiError):
            await sink.write(B)
        assert (await sink.write(B)).version == 2

    run(scenario)


def test_what_another_process_wrote_is_exceeded() -> None:
    async def play() -> None:
        server = ApiServer()
        async with server.running() as calls:
            sink = sink_of(calls)
            await sink.write(A)
            # Another process of ours, or our own call whose answer did not come.
            await sink_of(calls).write(B)
            assert (await sink.write(B)).version > 2
            assert held(server).items == B

    asyncio.run(play())
