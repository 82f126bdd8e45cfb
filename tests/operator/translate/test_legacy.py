"""The original's file is served as the original did, with one warning of what is not."""

from tests.operator.objects import STANDALONE
from wsgate_operator.resources.parse import parse_legacy
from wsgate_operator.translate.legacy import RATE_LIMIT_WARNING, routes_of_legacy


def entries_at(*prefixes: str) -> list[dict[str, str]]:
    return [{"prefix": prefix, "upstream": "ws://a"} for prefix in prefixes]


def names_of(*prefixes: str, taken: tuple[str, ...] = ()) -> list[str]:
    routes, _ = routes_of_legacy(parse_legacy(entries_at(*prefixes)), STANDALONE, taken)
    return [route.metadata.name for route in routes]


def test_an_only_route_is_also_served_at_ws() -> None:
    routes, _ = routes_of_legacy(parse_legacy(entries_at("/chat")), STANDALONE)
    assert [route.spec.prefix for route in routes] == ["/chat", "/ws"]
    assert routes[0].spec.model_copy(update={"prefix": "/ws"}) == routes[1].spec
    routes, _ = routes_of_legacy(parse_legacy(entries_at("/ws")), STANDALONE)
    assert [route.spec.prefix for route in routes] == ["/ws"]


def test_names_come_from_the_prefixes_and_are_unique() -> None:
    assert names_of("/a/B_c", "/a-b-c", "/") == ["a-b-c", "a-b-c-2", "root"]
    assert names_of("/chat", "/b", taken=("chat",)) == ["chat-2", "b"]
    (long_name, _) = names_of("/" + "a" * 400)
    assert len(long_name) <= 253


def test_the_rate_limit_is_warned_of_once() -> None:
    for prefixes in (("/chat",), ("/a", "/b", "/c")):
        _, warnings = routes_of_legacy(parse_legacy(entries_at(*prefixes)), STANDALONE)
        assert [text for texts in warnings.values() for text in texts] == [RATE_LIMIT_WARNING]


def test_a_prefix_that_the_original_hid_is_warned_of() -> None:
    _, warnings = routes_of_legacy(parse_legacy(entries_at("/a", "/a/b", "/ab")), STANDALONE)
    assert "here the longest prefix wins" in warnings["default/a-b"][0]
    assert warnings["default/ab"] == ()
