"""One pod's admin API: what goes over the wire, and each fault in one line that says what to do."""

import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

from tests.cli.plugin.two_pods import answering, two_pods
from tests.dataplane.admin.desk import TOKEN, a_session
from wsgate_cli.plugin import admin_client
from wsgate_cli.plugin.admin_client import AdminClient, AdminError, check_url


def says(text: str | bytes, status: int = 200) -> Callable[[web.BaseRequest], Awaitable[web.Response]]:
    async def handle(request: web.BaseRequest) -> web.Response:
        return web.Response(status=status, body=text)

    return handle


def error_of(url: str) -> AdminError:
    with pytest.raises(AdminError) as caught:
        AdminClient(url, TOKEN).items("sessions")
    assert TOKEN not in f"{caught.value!r} {AdminClient(url, TOKEN)!r}"
    return caught.value


@pytest.mark.parametrize("url", ["http://127.0.0.1:9090", "https://pod.example/", "http://[::1]:80/gate/"])
def test_a_base_url_is_taken_without_its_last_slash(url: str) -> None:
    assert check_url(url) == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:9090",
        "ftp://h",
        "http://",
        "http://u:p@h",
        "http://h?x=1",
        "http://h#f",
        "http://h:0",
        "http://h:x",
        "http://[",
    ],
)
def test_what_is_no_base_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"127\.0\.0\.1:9090|IPv6"):
        check_url(url)


def test_the_real_api_answers_with_its_filters_and_closes(tmp_path: Path) -> None:
    with two_pods(tmp_path) as pods:
        registry = pods.desks[0].parts.registry
        session = pods.run(lambda: a_session(registry, "alice & bob"))
        client = AdminClient(pods.urls[0], TOKEN)
        assert client.items("sessions", sub="alice & bob", jti=None)["total"] == 1
        assert client.items("sessions", sub="alice")["items"] == []
        assert client.post("revoke", {"sub": "nobody"})["closed"] == 0
        client.close_session(str(session.uid))
        with pytest.raises(AdminError, match=r"^404: No such session") as caught:
            client.close_session("../../x")
        assert caught.value.status == 404


def test_a_refusal_of_the_api_comes_with_its_words_and_status(tmp_path: Path) -> None:
    with two_pods(tmp_path, token=None) as pods:
        error = error_of(pods.urls[0])
        assert error.status == 403
        assert "WSGATE_ADMIN_TOKEN_FILE" in str(error)


@pytest.mark.parametrize(
    ("text", "status", "words"),
    [
        ("<html>", 200, "no JSON object"),
        ("[]", 200, "no JSON object"),
        ("[" * 100_000, 200, "no JSON object"),
        ('{"pod": "p"}', 200, "holds no items"),
        ('{"items": [1]}', 200, "holds no items"),
        ("<html>", 502, "502: no explanation; is this the admin port of wsgate?"),
    ],
)
def test_an_answer_of_something_else_is_not_believed(text: str, status: int, words: str) -> None:
    with answering(says(text, status)) as url:
        assert words in str(error_of(url))


def test_a_redirect_is_not_followed_since_the_token_would_go_along() -> None:
    seen: list[str] = []

    async def redirect(request: web.BaseRequest) -> web.Response:
        seen.append(request.path)
        return web.Response(status=307, headers={"Location": "/elsewhere"})

    with answering(redirect) as url:
        assert error_of(url).status == 307
    assert seen == ["/admin/sessions"]


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with answering(says('{"items": []}')) as url:
        assert AdminClient(url, TOKEN).items("routes") == {"items": []}


def test_a_path_of_the_base_url_stands_before(monkeypatch: pytest.MonkeyPatch) -> None:
    async def handle(request: web.BaseRequest) -> web.Response:
        return web.json_response({"items": [], "path": request.path_qs})

    with answering(handle) as url:
        assert (
            AdminClient(f"{url}/gate", TOKEN).items("routes", route="a/b")["path"]
            == "/gate/admin/routes?route=a%2Fb"
        )


def test_nobody_there_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    error = error_of(f"http://127.0.0.1:{port}")
    assert (str(error), error.status) == ("no answer: Connection refused", None)


def test_one_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin_client, "ANSWER_SECONDS_MAX", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        before = time.monotonic()
        error = error_of(f"http://127.0.0.1:{silent.getsockname()[1]}")
    assert str(error) == "no answer within 0.2 s"
    assert time.monotonic() - before < 5


def test_one_that_hangs_up_is_said() -> None:
    async def hang_up(request: web.BaseRequest) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    with answering(hang_up) as url:
        assert str(error_of(url)).startswith("no answer: ")
