"""The route table against a brute-force reading of the same rule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate_contract.route import Route
from wsgate_dataplane.routing.table import RouteTable, normal_host


def route(prefix: str, *hostnames: str, name: str = "r", namespace: str = "ns", yields: bool = False) -> Route:
    return Route(
        namespace=namespace,
        name=name,
        prefix=prefix,
        hostnames=hostnames,
        upstream="ws://upstream",
        yields=yields,
    )


def found(table: RouteTable, host: str, path: str) -> str | None:
    match = table.match(host, path)
    return match.name if match else None


def oracle(routes: list[Route], host: str, path: str) -> Route | None:
    """Every route is asked; the best of those that fit wins, the first of equals."""

    def rank(each: Route) -> tuple[int, int, int] | None:
        segments = [segment for segment in each.prefix.split("/") if segment]
        if segments != path.split("/")[1 : len(segments) + 1]:
            return None
        hosts = [(2, len(name)) for name in each.hostnames if name == host]
        hosts += [
            (1, len(name))
            for name in each.hostnames
            if name.startswith("*.") and host.endswith(name[1:]) and host != name[1:]
        ]
        if not each.hostnames:
            hosts = [(0, 0)]
        return (len(segments), *max(hosts)) if hosts else None

    best: tuple[tuple[int, int, int], Route] | None = None
    for each in routes:
        ranked = rank(each)
        if ranked is not None and (best is None or ranked > best[0]):
            best = (ranked, each)
    return best[1] if best else None


LABELS = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=4).map(".".join)
HOSTNAMES = LABELS | LABELS.map("*.".__add__)
PATHS = st.lists(st.sampled_from(["a", "b", "ab"]), max_size=4).map(lambda parts: "/" + "/".join(parts))
ROUTES = st.lists(st.tuples(PATHS, st.lists(HOSTNAMES, max_size=3)), max_size=12)


@given(ROUTES, LABELS, PATHS, st.sampled_from(["", "/", "/x", "/x/y"]))
def test_the_table_answers_as_asking_every_route_does(
    described: list[tuple[str, list[str]]], host: str, path: str, tail: str
) -> None:
    routes = [route(prefix, *names, name=f"r{i}") for i, (prefix, names) in enumerate(described)]
    asked = path + tail if path != "/" else tail or "/"
    assert RouteTable.build(routes).match(host, asked) == oracle(routes, host, asked)


def test_the_longest_prefix_wins_over_the_closest_host() -> None:
    table = RouteTable.build([route("/a", "h.test", name="exact"), route("/a/b", name="longer")])
    assert found(table, "h.test", "/a/b") == "longer"
    assert found(table, "h.test", "/a/bc") == "exact"


def test_the_longer_prefix_of_another_host_does_not_hide_the_shorter_one() -> None:
    table = RouteTable.build([route("/a", name="short"), route("/a/b", "other.test", name="long")])
    assert found(table, "h.test", "/a/b") == "short"


def test_exact_host_beats_the_longest_wildcard_which_beats_any_host() -> None:
    routes = [
        route("/a", name="any"),
        route("/a", "*.test", name="wide"),
        route("/a", "*.h.test", name="narrow"),
        route("/a", "x.h.test", name="exact"),
    ]
    table = RouteTable.build(routes)
    hosts = ("x.h.test", "y.h.test", "z.y.h.test", "h.test", "test", "elsewhere")
    assert [found(table, host, "/a") for host in hosts] == ["exact", "narrow", "narrow", "wide", "any", "any"]


def test_prefixes_match_whole_segments_only() -> None:
    table = RouteTable.build([route("/chat")])
    assert [found(table, "h", path) for path in ("/chat", "/chat/", "/chat/x", "/chats", "/cha", "/")] == [
        "r", "r", "r", None, None, None,
    ]  # fmt: skip


def test_the_root_prefix_takes_what_nothing_else_does() -> None:
    table = RouteTable.build([route("/"), route("/a", name="a")])
    assert [found(table, "h", path) for path in ("/", "/b/c", "/a")] == ["r", "r", "a"]


def test_of_two_equal_routes_the_first_one_given_wins() -> None:
    assert found(RouteTable.build([route("/a", name="old"), route("/a", name="new")]), "h", "/a") == "old"


def test_an_empty_table_matches_nothing() -> None:
    assert RouteTable.build([]).match("h", "/a/b") is None


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("H.Test", "h.test"),
        ("h.test:8080", "h.test"),
        ("h.test:", "h.test"),
        ("h.test.", "h.test"),
        ("h.test.:443", "h.test"),
        ("[::1]", "[::1]"),
        ("[::1]:8080", "[::1]"),
        ("[FE80::1]", "[fe80::1]"),
        ("127.0.0.1:80", "127.0.0.1"),
        ("h.test:80:80", "h.test:80:80"),
        ("h.test:x", "h.test:x"),
    ],
)
def test_the_host_is_compared_in_lower_case_without_port_and_final_dot(sent: str, name: str) -> None:
    assert normal_host(sent) == name


def test_a_host_that_is_no_dns_name_reaches_only_routes_for_any_host() -> None:
    table = RouteTable.build([route("/a", "*.test", name="wild"), route("/a", name="any")])
    assert found(table, "x." * 200 + "test", "/a") == "any"
    assert found(table, "h.test:80:80", "/a") == "any"
    assert found(table, "[::1]:8080", "/a") == "any"


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_host_and_path_get_an_answer(host: str, path: str) -> None:
    table = RouteTable.build([route("/a", "*.test"), route("/a/b", "h.test")])
    match = table.match(host, path)
    assert match is None or path.startswith(match.prefix)


def test_a_yielding_route_serves_no_host_that_another_namespace_names() -> None:
    table = RouteTable.build(
        [
            route("/ws", name="anywhere", namespace="a", yields=True),
            route("/", "bank.test", "*.shop.test", name="named", namespace="b"),
            route("/own", "a.test", name="own", namespace="a"),
        ]
    )
    assert found(table, "bank.test", "/ws") == "named"
    assert found(table, "x.y.shop.test", "/ws/deeper") == "named"
    assert found(table, "shop.test", "/ws") == "anywhere"
    assert found(table, "a.test", "/ws") == "anywhere"
    assert found(table, "elsewhere", "/ws") == "anywhere"


def test_a_host_that_another_namespace_names_for_another_prefix_is_not_served_by_a_yielding_route() -> None:
    routes = [route("/ws", name="anywhere", namespace="a", yields=True), route("/x", "bank.test", namespace="b")]
    assert found(RouteTable.build(routes), "bank.test", "/ws") is None
    firm = [route("/ws", name="anywhere", namespace="a"), route("/x", "bank.test", namespace="b")]
    assert found(RouteTable.build(firm), "bank.test", "/ws") == "anywhere"
