"""The request target that the upstream sees."""

import pytest

from wsgate_contract.route import Route
from wsgate_dataplane.routing.target import upstream_target


def target(
    url: str, path: str, query: str = "", *, prefix: str = "/p", append: bool = False, keep: bool = True
) -> str:
    route = Route(namespace="n", name="r", prefix=prefix, upstream=url, append_path=append, preserve_query=keep)
    return upstream_target(route, url, path, query)


@pytest.mark.parametrize(
    ("url", "path", "expected"),
    [
        ("ws://u", "/p/x", "/"),
        ("ws://u/", "/p/x", "/"),
        ("ws://u:9/base", "/p/x", "/base"),
        ("ws://[::1]:9/base/", "/p", "/base/"),
        ("wss://u/a%20b", "/p", "/a%20b"),
    ],
)
def test_without_append_path_the_upstream_path_stands_alone(url: str, path: str, expected: str) -> None:
    assert target(url, path) == expected


@pytest.mark.parametrize(
    ("url", "prefix", "path", "expected"),
    [
        ("ws://u", "/p", "/p", "/"),
        ("ws://u", "/p", "/p/", "/"),
        ("ws://u", "/p", "/p/x/y", "/x/y"),
        ("ws://u/base", "/p", "/p", "/base"),
        ("ws://u/base", "/p", "/p/", "/base/"),
        ("ws://u/base", "/p", "/p/x", "/base/x"),
        ("ws://u/base/", "/p", "/p/x", "/base/x"),
        ("ws://u/base/", "/p", "/p", "/base/"),
        ("ws://u/base", "/", "/x", "/base/x"),
        ("ws://u/base", "/", "/", "/base/"),
        ("ws://u/base", "/p", "/p/%41;v=1", "/base/%41;v=1"),
    ],
)
def test_append_path_adds_what_follows_the_prefix_byte_for_byte(
    url: str, prefix: str, path: str, expected: str
) -> None:
    assert target(url, path, prefix=prefix, append=True) == expected


@pytest.mark.parametrize(
    ("url", "query", "keep", "expected"),
    [
        ("ws://u/b", "a=1", True, "/b?a=1"),
        ("ws://u/b", "a=1", False, "/b"),
        ("ws://u/b?own=1", "a=1&own=2", True, "/b?own=1&a=1&own=2"),
        ("ws://u/b?own=1", "a=1", False, "/b?own=1"),
        ("ws://u?own=1", "", True, "/?own=1"),
        ("ws://u/b?", "", True, "/b"),
        ("ws://u/b?own=/x?y", "", True, "/b?own=/x?y"),
    ],
)
def test_the_upstream_query_comes_first_and_the_clients_only_where_it_is_kept(
    *,
    url: str,
    query: str,
    keep: bool,
    expected: str,
) -> None:
    assert target(url, "/p", query, keep=keep) == expected
