"""The original's file is served as the original did, with warnings of what is not."""

from dataclasses import replace

from tests.operator.objects import STANDALONE
from wsgate_operator.resources.parse import parse_legacy
from wsgate_operator.translate.legacy import routes_of_legacy


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


def test_a_client_may_send_what_the_original_let_it_send_or_what_the_environment_says() -> None:
    def limit_of(per_second: int | None, burst: int | None) -> tuple[int | None, int | None, str]:
        options = replace(STANDALONE, rate_limit_per_second=per_second, rate_limit_burst=burst)
        routes, warnings = routes_of_legacy(parse_legacy(entries_at("/chat")), options)
        assert not any(warnings.values())
        limit = routes[0].spec.rate_limit
        assert limit is not None
        return limit.messages_per_second, limit.burst, limit.on_exceed

    assert limit_of(None, None) == (10, 30, "Close")
    assert limit_of(100, None) == (100, 30, "Close")
    assert limit_of(100, 5) == (100, 5, "Close")


def test_a_prefix_that_the_original_hid_is_warned_of() -> None:
    _, warnings = routes_of_legacy(parse_legacy(entries_at("/a", "/a/b", "/ab")), STANDALONE)
    assert "here the longest prefix wins" in warnings["default/a-b"][0]
    assert warnings["default/ab"] == ()
