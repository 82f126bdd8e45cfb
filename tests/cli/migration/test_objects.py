"""The objects lead to the routes that the original's file leads to."""

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from wsgate_cli.migration.objects import Objects, objects_of
from wsgate_cli.migration.reading import PlacedRoute
from wsgate_cli.migration.writing import objects_text
from wsgate_operator.resources.legacy import LegacyRoute
from wsgate_operator.sources.file_content import read_content
from wsgate_operator.translate.options import Options
from wsgate_operator.translate.translate import translate

OPTIONS = Options(root_namespace="default", has_environment_provider=True)

segments = st.text("ab-.Y1", min_size=1, max_size=3).filter(lambda text: text.strip("."))
prefixes = st.lists(segments, max_size=3).map(lambda parts: "/" + "/".join(parts))
upstreams = st.sampled_from(["ws://a", "wss://b.c:8/d?e=f", "ws://[::1]:9/", "ws://yes/no"])
entries = st.builds(
    lambda prefix, upstream, copy, keep: LegacyRoute(
        prefix=prefix, upstream=upstream, copy_sub_protocol=copy, preserve_query=keep
    ),
    prefixes,
    upstreams,
    st.booleans(),
    st.booleans(),
)


def migrated(routes: Sequence[LegacyRoute], options: Options = OPTIONS) -> Objects:
    placed = [PlacedRoute(route, f"routes.yaml:{line}") for line, route in enumerate(routes, 1)]
    return objects_of(placed, options, None)


def route(prefix: str = "/a", **fields: Any) -> LegacyRoute:
    return LegacyRoute(**{"prefix": prefix, "upstream": "ws://upstream", **fields})


@given(st.lists(entries, max_size=14))
def test_migrated_objects_render_as_the_originals_file_does(routes: list[LegacyRoute]) -> None:
    found = migrated(routes)
    assert not found.problems
    text = objects_text(found.documents)
    content = read_content("routes.yaml", text, OPTIONS.root_namespace)
    assert not content.problems
    objects = [placed.value for placed in content.objects]
    direct, by_objects = translate((), OPTIONS, legacy=routes), translate(objects, OPTIONS)
    assert by_objects.routes == direct.routes
    assert [verdict for verdict in by_objects.verdicts if not verdict.accepted] == []


def test_what_a_wsroute_does_otherwise_by_default_is_spelt_out() -> None:
    (document, _) = migrated([route()]).documents
    spec = document["spec"]
    assert (spec["copySubProtocol"], spec["preserveQuery"]) == (False, False)
    assert spec["auth"] == {
        "tokenSources": ["Header", "Cookie", "MQTTPassword", "FirstMessage"],
        "forward": {"firstMessage": "Forward"},
    }
    assert "namespace" not in document["metadata"]


def test_the_only_route_is_also_an_object_at_ws() -> None:
    assert [each["spec"]["prefix"] for each in migrated([route()]).documents] == ["/a", "/ws"]
    assert [each["spec"]["prefix"] for each in migrated([route("/ws")]).documents] == ["/ws"]


def test_a_second_route_for_a_prefix_is_left_out_and_named() -> None:
    found = migrated([route(), route(upstream="ws://other"), route("/b")])
    assert [each["spec"]["upstream"] for each in found.documents] == ["ws://upstream"] * 2
    assert "routes.yaml:2: /a: left out: the prefix is there twice, and the first counts" in found.changes


def test_an_order_that_counted_in_the_original_is_named() -> None:
    changes = migrated([route("/a"), route("/a/b")]).changes
    assert any("/a hid /a/b" in change for change in changes)


def test_namespace_and_gateway_are_written_where_they_are_not_the_usual() -> None:
    placed = [PlacedRoute(route("/ws"), "routes.yaml:1")]
    options = Options(root_namespace="edge", gateway_name="internal")
    (document,) = objects_of(placed, options, "edge").documents
    assert document["metadata"] == {"name": "ws", "namespace": "edge"}
    assert document["spec"]["gatewayName"] == "internal"
    assert json.loads(json.dumps(document)) == document
