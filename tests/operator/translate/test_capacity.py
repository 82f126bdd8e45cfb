"""What does not fit is left out where most is taken, and is told so."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.operator.objects import STANDALONE, revocation, wsroute
from wsgate_contract.revocation import RevocationRecord
from wsgate_contract.route import Route
from wsgate_operator.translate.capacity import fit_records, fit_routes, lower_limits
from wsgate_operator.translate.translate import Translation, translate
from wsgate_operator.translate.verdict import VerdictReason


def one(_: object) -> int:
    """Each takes the same."""
    return 1


def aged(count: int) -> Translation:
    """As many routes, each a day younger than the one before, and a revocation."""
    routes = [wsroute(f"r{day}", created=f"2026-01-{day + 1:02}T00:00:00Z") for day in range(count)]
    return translate([*reversed(routes), revocation("r4", jti="x")], STANDALONE)


def test_what_fits_is_as_it_was_after_one_measurement() -> None:
    translation, measured = aged(5), []

    def stored(routes: Sequence[Route]) -> int:
        measured.append(len(routes))
        return len(routes)

    assert fit_routes(translation, stored, one, "default", 5) is translation
    assert measured == [5]


def test_the_newest_routes_are_left_out_and_told_so() -> None:
    fitted = fit_routes(aged(5), lambda routes: 1024 * len(routes), one, "default", 3 * 1024)
    assert [route.name for route in fitted.routes] == ["r0", "r1", "r2"]
    reasons = {(verdict.kind, verdict.key): verdict.reason for verdict in fitted.verdicts}
    for name in ("r3", "r4"):
        assert reasons["WsRoute", f"default/{name}"] is VerdictReason.CAPACITY_EXCEEDED
    assert reasons["TokenRevocation", "default/r4"] is VerdictReason.ACCEPTED
    message = next(verdict.message for verdict in fitted.verdicts if verdict.key == "default/r3")
    assert "more than 3 KiB" in message
    assert "delete routes that nobody uses" in message


def shared(sizes: Mapping[str, Sequence[int]]) -> tuple[Translation, dict[str, int]]:
    """Routes of each namespace in their order, the oldest first, and how long each is."""
    weights = {
        f"{namespace}/{namespace}{at}": size for namespace, all_ in sizes.items() for at, size in enumerate(all_)
    }
    parts = [key.split("/") for key in weights]
    routes = [
        Route(namespace=namespace, name=name, prefix=f"/{name}", upstream="ws://a") for namespace, name in parts
    ]
    return Translation(tuple(routes)), weights


def fitted(sizes: Mapping[str, Sequence[int]], bytes_max: int) -> list[str]:
    translation, weights = shared(sizes)

    def stored(routes: Sequence[Route]) -> int:
        return sum(weights[route.key] for route in routes)

    found = fit_routes(translation, stored, lambda route: weights[route.key], "default", bytes_max)
    assert [route for route in translation.routes if route in found.routes] == list(found.routes), "in their order"
    return sorted(route.name for route in found.routes)


def test_a_namespace_that_takes_all_pushes_out_nobody_but_itself() -> None:
    sizes = {"evil": [900_000, 900_000], **{f"t{number}": [200] for number in range(50)}}
    assert fitted(sizes, 900 * 1024) == sorted(["evil0", *(f"t{number}0" for number in range(50))])
    assert fitted(sizes, 500 * 1024) == sorted(f"t{number}0" for number in range(50))


def test_the_root_namespace_comes_before_all_shares() -> None:
    assert fitted({"a": [1, 1], "default": [50, 40], "b": [1]}, 92) == ["a0", "b0", "default0", "default1"]
    assert fitted({"a": [1, 1], "default": [50, 40], "b": [1]}, 60) == ["default0"]


@given(
    st.dictionaries(st.sampled_from("abcd"), st.lists(st.integers(1, 30), min_size=1, max_size=8), min_size=1),
    st.integers(0, 300),
)
def test_nobody_loses_a_route_for_as_long_as_another_keeps_more(
    sizes: dict[str, list[int]], bytes_max: int
) -> None:
    kept = set(fitted(sizes, bytes_max))
    taken = {
        namespace: sum(size for at, size in enumerate(all_) if f"{namespace}{at}" in kept)
        for namespace, all_ in sizes.items()
    }
    for namespace, all_ in sizes.items():
        left_out = [at for at in range(len(all_)) if f"{namespace}{at}" not in kept]
        assert left_out == list(range(len(all_)))[len(all_) - len(left_out) :], "the newest of it"
        if left_out:
            assert max(taken.values()) <= taken[namespace] + all_[left_out[0]]


def test_a_flood_of_records_in_one_namespace_pushes_out_no_other() -> None:
    flood = [record(f"evil/{number:03}", "evil") for number in range(300)]
    fitting = fit_records([*flood, record("bank/stolen", "bank"), record("event:1", "bank")], len, one, 100)
    ids = {each.id for each in fitting.records}
    assert "bank/stolen" in ids and "event:1" not in ids
    assert (len(ids), fitting.left_out) == (100, 202)


def test_a_left_out_route_that_was_kept_from_before_is_not_called_in_force() -> None:
    bad = wsroute("r4", created="2026-01-05T00:00:00Z", auth={"replay": "BindToIP"})
    before = aged(5)
    now = translate([bad], STANDALONE, previous=before)
    (verdict,) = fit_routes(now, len, one, "default", 0).verdicts
    assert verdict.reason is VerdictReason.INVALID
    assert "stays in force" not in verdict.message
    assert verdict.message.startswith("spec.auth.replay is not supported yet")
    assert "the namespaces that take most are left out" in verdict.message


def test_nothing_fits_where_even_an_empty_file_is_too_big() -> None:
    assert fit_routes(aged(3), lambda routes: 1000 + len(routes), one, "default", 10).routes == ()


def record(id: str, namespace: str | None = None) -> RevocationRecord:
    return RevocationRecord(id=id, namespace=namespace, jti="x")


def test_records_are_kept_objects_first_then_the_whole_gateways_then_the_oldest() -> None:
    given_records = [
        record("event:1"),
        record("event:2", "a"),
        record("a/old", "a"),
        record("root/old"),
        record("b/new", "b"),
        record("root/new"),
    ]
    ordered = ["root/old", "root/new", "a/old", "b/new", "event:1", "event:2"]
    for count in range(7):
        fitting = fit_records(given_records, len, one, count)
        kept = [each.id for each in given_records if each.id in ordered[:count]]
        assert ([each.id for each in fitting.records], fitting.left_out) == (kept, 6 - count)


@given(st.lists(st.integers(1, 50), max_size=40), st.integers(0, 400))
def test_as_many_fit_as_can_and_they_are_measured_few_times(sizes: list[int], bytes_max: int) -> None:
    weights = {f"a/{index}": size for index, size in enumerate(sizes)}
    measured = []

    def stored(records: Sequence[RevocationRecord]) -> int:
        measured.append(len(records))
        return sum(weights[each.id] for each in records)

    fitting = fit_records([record(id) for id in weights], stored, one, bytes_max)
    count = len(fitting.records)
    assert sum(sizes[:count]) <= bytes_max
    assert count == len(sizes) or sum(sizes[: count + 1]) > bytes_max
    assert len(measured) <= 8


def test_a_translation_keeps_its_other_parts() -> None:
    translation = aged(2)
    fitted = fit_routes(translation, len, one, "default", 1)
    assert replace(fitted, routes=translation.routes, verdicts=translation.verdicts) == translation
    assert fitted.assessments is translation.assessments


@given(st.integers(0, 10_000_000))
def test_limits_go_down_to_nothing_in_few_steps(bytes_max: int) -> None:
    limits = list(lower_limits(bytes_max))
    assert (limits[0], limits[-1]) == (bytes_max, 0)
    assert limits == sorted(set(limits), reverse=True)
    assert len(limits) <= 20


def test_the_second_limit_is_a_kib_lower() -> None:
    assert list(lower_limits(900 * 1024))[1] == 899 * 1024
