"""Calls have a deadline, pages are followed, and whatever fails is an ApiError."""

import asyncio

import pytest
from kubernetes.aio.client import ApiClient, Configuration

from tests.operator.sinks.api_server import Answer, ApiServer
from wsgate_operator.sinks.api_calls import ApiCalls, Target, collection_of
from wsgate_operator.sinks.api_error import ApiError, Fault

CONFIGMAPS = Target("", "v1", "configmaps", "system")
ROUTES = Target("", "v1", "configmaps", "system", "wsgate-routes")
STATUS = Target("wsgate.dev", "v1alpha1", "wsroutes", "team", "chat", "status")


async def fault_of(calls: ApiCalls, target: Target = ROUTES) -> ApiError:
    with pytest.raises(ApiError) as caught:
        await calls.get(target)
    return caught.value


def test_a_target_has_the_path_of_its_group() -> None:
    assert ROUTES.path == "/api/v1/namespaces/system/configmaps/wsgate-routes"
    assert STATUS.path == "/apis/wsgate.dev/v1alpha1/namespaces/team/wsroutes/chat/status"
    assert collection_of(STATUS).path == "/apis/wsgate.dev/v1alpha1/namespaces/team/wsroutes"


def test_a_name_cannot_leave_its_place_in_the_path() -> None:
    assert Target("", "v1", "pods", "a", "../b?c").path == "/api/v1/namespaces/a/pods/..%2Fb%3Fc"


def test_a_target_is_named_as_people_know_it() -> None:
    assert (str(STATUS), str(CONFIGMAPS)) == ("wsroutes/status team/chat", "configmaps in system")


def test_what_was_created_is_read_and_replaced_with_fields_unknown_here() -> None:
    async def scenario() -> None:
        async with ApiServer().running() as calls:
            created = await calls.create(CONFIGMAPS, {"metadata": {"name": "wsgate-routes"}, "odd": {"kept": 1}})
            assert await calls.get(ROUTES) == created
            assert (await calls.update(ROUTES, created))["odd"] == {"kept": 1}

    asyncio.run(scenario())


def test_all_pages_of_a_list_are_followed() -> None:
    async def scenario() -> None:
        server = ApiServer()
        server.page_items = 2
        for number in range(5):
            server.put(f"{CONFIGMAPS.path}/m{number}", {"metadata": {"labels": {"app": "a"}}})
        server.put(f"{CONFIGMAPS.path}/other", {"metadata": {"labels": {"app": "b"}}})
        async with server.running() as calls:
            found = await calls.list_all(CONFIGMAPS, "app=a")
        assert [document["metadata"]["name"] for document in found] == ["m0", "m1", "m2", "m3", "m4"]
        assert server.calls["GET"] == 3

    asyncio.run(scenario())


def test_a_list_without_an_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wsgate_operator.sinks.api_calls.PAGES_MAX", 3)

    async def scenario() -> None:
        server = ApiServer()
        server.refuse = lambda *_: Answer(200, body=b'{"items": [], "metadata": {"continue": "on"}}')
        async with server.running() as calls:
            with pytest.raises(ApiError, match="more than"):
                await calls.list_all(CONFIGMAPS, "app=a")
        assert server.calls["GET"] == 3

    asyncio.run(scenario())


def test_a_server_that_hangs_is_left_at_the_deadline() -> None:
    async def scenario() -> None:
        server = ApiServer()
        server.faults = [Answer(hang=True)]
        async with server.running(call_seconds=0.1) as calls:
            error = await fault_of(calls)
            assert error.fault is Fault.TIMEOUT
            assert "no answer within 0.1 s" in str(error)
            # The connection pool is as good as before.
            assert (await fault_of(calls)).fault is Fault.NOT_FOUND

    asyncio.run(scenario())


@pytest.mark.parametrize("body", [b"<html>login</html>", b"[]", b"", b"\xff", b"[" * 100_000])
def test_an_answer_that_is_no_object_is_an_error(body: bytes) -> None:
    async def scenario() -> None:
        server = ApiServer()
        server.faults = [Answer(200, body=body)]
        async with server.running() as calls:
            assert (await fault_of(calls)).fault is Fault.UNEXPECTED

    asyncio.run(scenario())


def test_a_server_that_is_not_there_is_unreachable() -> None:
    async def scenario() -> None:
        server = ApiServer()
        async with server.running():
            pass
        async with ApiClient(Configuration(host=server.base)) as client:
            assert (await fault_of(ApiCalls(client))).fault is Fault.UNREACHABLE

    asyncio.run(scenario())


def test_a_failed_call_is_made_once() -> None:
    async def scenario() -> None:
        server = ApiServer()
        server.refuse = lambda *_: Answer(503)
        async with server.running() as calls:
            assert (await fault_of(calls)).fault is Fault.SERVER
        assert server.calls.total() == 1

    asyncio.run(scenario())
