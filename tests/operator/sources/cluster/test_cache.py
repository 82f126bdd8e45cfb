"""The cache says what there is, whatever the order in which lists and events come in."""

import itertools
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.operator.objects import document
from wsgate_operator.resources.parse import GatewayObject, parse_object
from wsgate_operator.resources.wsroute import WsRoute
from wsgate_operator.sources.cluster import cache as module
from wsgate_operator.sources.cluster.cache import Changed, Document, ObjectCache

ROUTES, REVOCATIONS = Changed(routes=True), Changed(revocations=True)


def route(name: str = "chat", version: int | str = 10, uid: str = "u1", **spec: Any) -> dict[str, Any]:
    spec = {"prefix": f"/{name}", "upstream": "ws://chat:8080", **spec}
    metadata = {"resourceVersion": str(version), "uid": uid, "generation": 1}
    return document("WsRoute", name, spec, **metadata)


def revocation(name: str = "alice", version: int = 10) -> dict[str, Any]:
    return document("TokenRevocation", name, {"subject": name}, resourceVersion=str(version), uid=name)


def listed(*documents: Document, version: int | str = 20) -> ObjectCache:
    cache = ObjectCache()
    cache.replace("WsRoute", documents, str(version))
    cache.take()
    return cache


def keys(cache: ObjectCache) -> list[str]:
    return sorted(found.key for found in cache.objects())


def prefix(cache: ObjectCache) -> str:
    (found,) = cache.objects()
    assert isinstance(found, WsRoute)
    return found.spec.prefix


def test_a_list_answers_what_vanished_without_an_event() -> None:
    cache = listed(route("chat"), route("news", uid="u2"))
    assert cache.replace("WsRoute", [route("news", uid="u2")], "30") == {"default/chat"}
    assert keys(cache) == ["default/news"]
    assert cache.take() == ROUTES


def test_a_list_of_one_kind_leaves_the_other_alone() -> None:
    cache = listed(route())
    cache.put(revocation())
    assert cache.replace("WsRoute", [], "30") == {"default/chat"}
    assert keys(cache) == ["default/alice"]


def test_the_cache_is_complete_once_both_kinds_have_been_listed() -> None:
    cache = ObjectCache()
    cache.put(route())
    cache.replace("WsRoute", [], "5")
    assert not cache.is_complete
    cache.replace("TokenRevocation", [], "6")
    assert cache.is_complete


def test_an_event_newer_than_a_list_in_flight_stays() -> None:
    cache = ObjectCache()
    cache.put(route("new", version=25, uid="u2"))
    cache.put(route("chat", version=26, prefix="/newer"))
    assert cache.replace("WsRoute", [route("chat", version=10)], "20") == frozenset()
    assert keys(cache) == ["default/chat", "default/new"]
    assert {found.spec.prefix for found in cache.objects() if isinstance(found, WsRoute)} == {"/newer", "/new"}


def test_a_list_in_flight_does_not_bring_back_what_was_deleted_meanwhile() -> None:
    cache = listed(route(version=10), version=20)
    cache.discard(route(version=25))
    assert cache.replace("WsRoute", [route(version=10)], "22") == frozenset()
    assert keys(cache) == []


def test_a_list_newer_than_a_deletion_counts() -> None:
    cache = listed(route(version=10), version=20)
    cache.discard(route(version=25))
    cache.replace("WsRoute", [route(version=28, uid="u2")], "30")
    assert keys(cache) == ["default/chat"]


def test_a_late_event_does_not_bring_back_what_a_list_says_is_gone() -> None:
    cache = listed(version=20)
    cache.put(route(version=15))
    assert keys(cache) == []
    assert not cache.changed.is_set()


def test_an_event_older_than_what_is_known_changes_nothing() -> None:
    cache = ObjectCache()
    cache.put(route(version=30, prefix="/new"))
    cache.put(route(version=29, prefix="/old"))
    assert prefix(cache) == "/new"


def test_the_late_deletion_of_a_former_object_spares_its_successor() -> None:
    cache = listed(route(version=10, uid="u1"), version=20)
    cache.put(route(version=26, uid="u2"))
    cache.discard(route(version=25, uid="u1"))
    assert keys(cache) == ["default/chat"]


def test_a_deletion_that_carries_an_old_version_still_deletes() -> None:
    cache = listed(route(version=10), version=20)
    cache.discard(route(version=10))
    assert keys(cache) == []


def test_versions_that_went_backwards_are_believed_and_told(caplog: pytest.LogCaptureFixture) -> None:
    cache = listed(route("chat", version=900), route("lost", version=950, uid="u2"), version=1000)
    with caplog.at_level(logging.WARNING):
        assert cache.replace("WsRoute", [route("chat", version=90, prefix="/restored")], "100") == {"default/lost"}
    assert prefix(cache) == "/restored"
    assert [record.message for record in caplog.records] == ["resource-versions-restarted"]
    cache.put(route("chat", version=101, prefix="/later"))
    assert prefix(cache) == "/later"


def test_versions_that_are_no_numbers_let_the_latest_word_count() -> None:
    cache = listed(route(version="a7"), version="x")
    cache.put(route(version="a3", prefix="/event"))
    assert prefix(cache) == "/event"
    assert cache.replace("WsRoute", [], "y") == {"default/chat"}


@pytest.mark.parametrize(
    "change",
    [
        {"status": {"conditions": [{"type": "Accepted", "status": "True"}]}},
        {"metadata": {"labels": {"a": "b"}}},
        {"metadata": {"annotations": {"a": "b"}}},
        {"metadata": {"managedFields": [{"manager": "wsgate"}]}},
    ],
)
def test_what_does_not_render_changes_nothing(change: dict[str, Any]) -> None:
    cache = listed(route(), version=10)
    changed = route(version=11)
    cache.put({**changed, **change, "metadata": changed["metadata"] | change.get("metadata", {})})
    assert not cache.changed.is_set()


def test_the_latest_status_is_kept_without_managed_fields_and_annotations() -> None:
    cache = listed(route(), version=10)
    changed = route(version=11)
    changed["status"] = {"observedGeneration": 1}
    changed["metadata"] |= {"managedFields": [{}], "annotations": {"a": "x" * 200_000}}
    cache.put(changed)
    kept = cache.document("WsRoute", "default/chat")
    assert kept is not None and kept["status"] == {"observedGeneration": 1}
    for name in ("managedFields", "annotations"):
        assert name not in kept["metadata"] and name in changed["metadata"]
    assert cache.document("WsRoute", "default/other") is None


@pytest.mark.parametrize("change", [{"generation": 2}, {"uid": "u2"}])
def test_a_new_generation_or_a_new_object_counts_even_with_the_same_spec(change: dict[str, Any]) -> None:
    cache = listed(route(), version=10)
    changed = route(version=11)
    cache.put({**changed, "metadata": changed["metadata"] | change})
    assert cache.take() == ROUTES


def test_revocations_are_told_apart_from_routes() -> None:
    cache = ObjectCache()
    cache.put(revocation())
    assert cache.changed.is_set()
    assert cache.take() == REVOCATIONS
    assert not cache.changed.is_set()
    cache.put(route())
    cache.discard(revocation(version=11))
    assert cache.take() == ROUTES | REVOCATIONS
    assert not cache.take()


def test_what_cannot_be_read_is_told_and_hides_nothing_else() -> None:
    cache = listed(route("chat", prefix=7), route("news", uid="u2"))
    assert keys(cache) == ["default/news"]
    assert "spec.prefix" in cache.unreadable["WsRoute", "default/chat"]
    cache.put(route("chat", version=30))
    assert (keys(cache), cache.unreadable) == (["default/chat", "default/news"], {})


def test_an_object_as_the_api_server_has_it_is_read_whatever_its_status() -> None:
    made = route(version=5)
    made["metadata"] |= {
        "creationTimestamp": "2026-01-31T18:00:00Z",
        "deletionTimestamp": "2026-02-01T18:00:00Z",
        "finalizers": ["a/b"],
        "labels": {"app": "chat"},
        "managedFields": [{"manager": "kubectl", "operation": "Apply", "fieldsV1": {"f:spec": {}}}],
        "ownerReferences": [{"kind": "Deployment", "name": "x", "uid": "y"}],
    }
    made["status"] = {"conditions": "from an operator to come", "other": 1}
    assert keys(listed(made)) == ["default/chat"]


def test_a_state_is_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[object] = []

    def counted(found: object) -> GatewayObject:
        parsed.append(found)
        return parse_object(found)

    monkeypatch.setattr(module, "parse_object", counted)
    cache = listed(route(), version=10)
    assert cache.objects() is not None and cache.unreadable == {}
    cache.put({**route(version=11), "status": {}})
    cache.replace("WsRoute", [route(version=11)], "12")
    assert keys(cache) == ["default/chat"]
    assert len(parsed) == 1


@pytest.mark.parametrize(
    "broken", [{}, {"kind": "WsRoute"}, {"kind": "WsRoute", "metadata": {"name": "a"}}, {"metadata": []}]
)
def test_what_has_no_identity_is_refused_and_changes_nothing(broken: dict[str, Any]) -> None:
    cache = listed(route())
    with pytest.raises(ValueError, match=r"metadata\.name"):
        cache.put(broken)
    with pytest.raises(ValueError, match=r"metadata\.name"):
        cache.replace("WsRoute", [broken], "30")
    assert keys(cache) == ["default/chat"]


def test_only_so_many_deletions_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DELETIONS_MAX", 1)
    cache = listed(route("a", uid="a"), route("b", uid="b"), version=20)
    cache.discard(route("a", version=25, uid="a"))
    cache.discard(route("b", version=26, uid="b"))
    cache.replace("WsRoute", [route("a", uid="a"), route("b", uid="b")], "22")
    assert keys(cache) == ["default/a"]


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[tuple[str, Any]], dict[str, str]]:
    """What a cluster went through, as events and lists in any order; and what is there in the end."""
    living: dict[str, dict[str, Any]] = {}
    told: list[tuple[str, Any]] = []
    versions = itertools.count(1)
    for name in draw(st.lists(st.sampled_from("abc"), min_size=1, max_size=12)):
        version = next(versions)
        if name in living and draw(st.booleans()):
            gone = living.pop(name)
            told.append(("discard", route(name, version, gone["metadata"]["uid"])))
        else:
            uid = living[name]["metadata"]["uid"] if name in living else f"u{version}"
            living[name] = route(name, version, uid, prefix=f"/{version}")
            told.append(("put", living[name]))
        if draw(st.booleans()):
            told.append(("replace", (list(living.values()), next(versions))))
    told = draw(st.permutations(told))
    final = next(versions)
    told.append(("replace", (list(living.values()), final)))
    # Lists are made one after the other, so theirs is the one order that holds.
    lists = iter(sorted((entry for entry in told if entry[0] == "replace"), key=lambda entry: entry[1][1]))
    told = [next(lists) if entry[0] == "replace" else entry for entry in told]
    late = draw(st.lists(st.sampled_from([entry for entry in told if entry[0] != "replace"]), max_size=5))
    return told + late, {f"default/{name}": made["spec"]["prefix"] for name, made in living.items()}


@given(histories())
def test_events_in_any_order_end_at_what_the_last_list_says(
    history: tuple[list[tuple[str, Any]], dict[str, str]],
) -> None:
    told, living = history
    cache = ObjectCache()
    for change, about in told:
        if change == "replace":
            cache.replace("WsRoute", about[0], str(about[1]))
        elif change == "put":
            cache.put(about)
        else:
            cache.discard(about)
    assert {found.key: found.spec.prefix for found in cache.objects() if isinstance(found, WsRoute)} == living
