"""What one gateway sees, and what stays in force although a listing lacks it."""

from tests.operator.objects import document
from wsgate_operator.controller.objects import Objects, Seen, generation_of
from wsgate_operator.sources.cluster.cache import Document, ObjectCache
from wsgate_operator.translate.brake import HOLD_SECONDS


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class House:
    """A cache that is listed and watched, and the gateway that looks at it."""

    def __init__(self) -> None:
        self.clock, self.cache, self.version = Clock(), ObjectCache(), 0
        self.objects = Objects(self.cache, "wsgate", self.clock)

    def listed(self, *names: str) -> None:
        """A listing holds exactly these routes."""
        self.version += 1
        vanished = self.cache.replace("WsRoute", [route(name, self.version) for name in names], str(self.version))
        self.objects.note_vanished("WsRoute", vanished)

    def delete(self, name: str) -> None:
        """The watch tells of a deletion."""
        self.version += 1
        self.cache.discard(route(name, self.version))

    def held(self) -> list[str]:
        return sorted(key for _, key in self.objects.look().held)


def route(name: str, version: int = 1, **spec: object) -> Document:
    spec = {"prefix": f"/{name}", "upstream": "ws://chat:8080", **spec}
    return document("WsRoute", name, spec, uid=f"uid-{name}", generation=3, resourceVersion=str(version))


def names(count: int, start: int = 0) -> tuple[str, ...]:
    return tuple(f"r{number:02}" for number in range(start, start + count))


def keys(seen: Seen) -> list[str]:
    return [each.key for each in seen.objects]


def test_what_names_another_gateway_is_not_seen_readable_or_not() -> None:
    house = House()
    house.cache.put(route("mine"))
    house.cache.put(route("other", gatewayName="edge"))
    house.cache.put(route("odd", prefix=7))
    house.cache.put(route("odd-other", prefix=7, gatewayName="edge"))
    seen = house.objects.look()
    assert keys(seen) == ["default/mine"]
    assert [each.key for each in seen.unreadable] == ["default/odd"]
    assert seen.generations == {
        ("WsRoute", "default/mine"): ("uid-mine", 3),
        ("WsRoute", "default/odd"): ("uid-odd", 3),
    }


def test_an_object_without_a_generation_has_generation_0() -> None:
    assert generation_of(document("WsRoute", "chat", {})) == ("", 0)


def test_12_of_20_that_vanish_in_one_list_are_held_and_told_and_let_go_after_300_seconds() -> None:
    house = House()
    house.listed(*names(20))
    house.objects.look()
    house.listed(*names(8))
    seen = house.objects.look()
    assert len(seen.held) == 12
    assert seen.news == {
        "WsRoute": "12 of 20 objects are missing from a listing without having been deleted one by one; "
        "they stay in force for 300 seconds",
    }
    assert house.objects.release_at == house.clock.now + HOLD_SECONDS
    house.clock.now += HOLD_SECONDS - 1
    assert len(house.held()) == 12
    house.clock.now += 1
    seen = house.objects.look()
    assert seen.held == frozenset() and "have not come back" in seen.news["WsRoute"]
    assert house.objects.release_at is None


def test_deletions_that_the_watch_tells_pass_at_once_however_many() -> None:
    house = House()
    house.listed(*names(20))
    house.objects.look()
    for name in names(12):
        house.delete(name)
    seen = house.objects.look()
    assert (seen.held, seen.news, len(seen.objects)) == (frozenset(), {}, 8)


def test_a_deletion_passes_while_others_are_held() -> None:
    house = House()
    house.listed(*names(20))
    house.objects.look()
    house.listed(*names(8))
    house.objects.look()
    house.delete("r00")
    assert len(house.held()) == 12
    assert "default/r00" not in keys(house.objects.look())


def test_what_is_held_and_comes_back_is_held_no_longer() -> None:
    house = House()
    house.listed(*names(20))
    house.objects.look()
    house.listed(*names(8))
    house.objects.look()
    house.listed(*names(20))
    seen = house.objects.look()
    assert (seen.held, seen.news, len(seen.objects)) == (frozenset(), {}, 20)


def test_a_few_that_vanish_are_simply_gone() -> None:
    house = House()
    house.listed(*names(20))
    house.objects.look()
    house.listed(*names(18))
    assert house.held() == []


def test_what_a_former_life_had_in_force_and_is_missing_in_bulk_is_held() -> None:
    house = House()
    house.objects.assume("WsRoute", [f"default/{name}" for name in names(20)])
    house.listed(*names(8))
    assert len(house.held()) == 12


def test_a_route_that_moves_to_another_gateway_is_not_held() -> None:
    house = House()
    house.listed(*names(20))
    house.objects.look()
    for name in names(15):
        house.version += 1
        house.cache.put(route(name, house.version, gatewayName="edge"))
    assert house.held() == []
