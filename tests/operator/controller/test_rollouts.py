"""How far an object has got: told once, kept, and without a word about what came later."""

from typing import Any

from tests.operator.objects import document
from wsgate_contract.revocation_log import PodLease
from wsgate_operator.controller.rollouts import Leases, Rollouts
from wsgate_operator.translate.conditions import Rollout

KEY = "default/chat"


def made(generation: int = 1, uid: str = "u", **status: Any) -> dict[str, Any]:
    return {**document("WsRoute", "chat", {}, uid=uid, generation=generation), "status": status}


def leases(*versions: int, cursor: str = "0-0") -> Leases:
    return {f"pod-{number}": PodLease(log_cursor=cursor, routes_version=at) for number, at in enumerate(versions)}


def cursors(*ids: str) -> Leases:
    return {f"pod-{number}": PodLease(log_cursor=id_) for number, id_ in enumerate(ids)}


def of_route(
    rollouts: Rollouts, version: int | None, seen: Leases | None, fault: str = "", **document: Any
) -> Rollout:
    return rollouts.of_route(KEY, made(**document), version=version, fault=fault, leases=seen)


def of_revocation(
    rollouts: Rollouts,
    cursor: str | None,
    seen: Leases | None,
    fault: str = "",
    *,
    is_in_file: bool = False,
    **document: Any,
) -> Rollout:
    return rollouts.of_revocation(
        KEY, made(**document), cursor=cursor, is_in_file=is_in_file, fault=fault, leases=seen
    )


def test_a_route_keeps_the_version_that_first_held_it() -> None:
    rollouts = Rollouts()
    assert of_route(rollouts, None, None, fault="500") == Rollout(fault="500")
    assert of_route(rollouts, 7, None).version == 7
    assert of_route(rollouts, 8, None).version == 7
    assert of_route(rollouts, 8, None, generation=2).version == 8
    assert of_route(rollouts, 9, None, generation=2, uid="made-anew").version == 9


def test_a_route_that_stands_says_nothing_of_a_later_fault() -> None:
    rollouts = Rollouts()
    before = of_route(rollouts, 7, None)
    assert of_route(rollouts, None, None, fault="500") == before


def test_pods_acknowledge_by_the_version_that_they_serve_and_that_rests_once_all_have() -> None:
    rollouts = Rollouts()
    assert of_route(rollouts, 7, None).pods is None
    seen = of_route(rollouts, 7, leases(7, 6))
    assert (seen.pods, seen.acknowledged_pods) == (2, 1)
    complete = of_route(rollouts, 7, leases(7, 8))
    assert (complete.pods, complete.acknowledged_pods) == (2, 2)
    for later in (leases(7), leases(0, 0, 0), leases(), None):
        assert of_route(rollouts, 7, later) == complete


def test_no_pods_at_all_is_no_acknowledgement() -> None:
    rollouts = Rollouts()
    assert of_route(rollouts, 7, leases()).pods == 0
    assert of_route(rollouts, 7, leases(6)).acknowledged_pods == 0


def test_after_a_restart_a_route_keeps_the_version_and_the_acknowledgement_of_its_status() -> None:
    ready = [{"type": "Ready", "status": "True"}]
    status: dict[str, Any] = {"observedGeneration": 1, "programmedVersion": 5, "conditions": ready}
    seen = of_route(Rollouts(), 9, leases(), **status)
    assert (seen.version, seen.pods, seen.acknowledged_pods) == (5, 1, 1)
    assert of_route(Rollouts(), 9, leases(), generation=2, **status).version == 9
    # The versions began anew, or somebody wrote the status by hand.
    assert of_route(Rollouts(), 4, leases(), **status).version == 4


def test_a_revocation_is_acknowledged_by_the_cursor_compared_as_numbers() -> None:
    rollouts = Rollouts()
    seen = of_revocation(rollouts, "100-9", cursors("100-10", "99-50", "", "0"))
    assert (seen.pods, seen.acknowledged_pods) == (4, 1)
    # Later entries are others': its own counts.
    assert of_revocation(rollouts, "200-0", cursors("100-9", "100-9")).acknowledged_pods == 2


def test_a_cursor_that_is_none_acknowledges_nothing() -> None:
    for rubbish in ("9" * 5_000 + "-1", "1-" + "9" * 5_000, "rubbish", "-", "\u00b2-1"):
        unchecked = {"pod-0": PodLease.model_construct(log_cursor=rubbish)}
        assert of_revocation(Rollouts(), "100-9", unchecked).acknowledged_pods == 0


def test_a_revocation_in_the_file_alone_is_written_but_nobody_acknowledges() -> None:
    rollouts = Rollouts()
    assert of_revocation(rollouts, None, None, "both away").is_written is False
    seen = of_revocation(rollouts, None, cursors("1-1"), is_in_file=True)
    assert seen == Rollout(is_written=True)
    assert of_revocation(rollouts, "5-0", cursors("5-0")).acknowledged_pods == 1


def test_a_fault_of_the_second_channel_is_told_only_of_what_it_lacks() -> None:
    rollouts = Rollouts()
    assert of_revocation(rollouts, "5-0", None, "403").fault == "403"
    assert of_revocation(rollouts, "5-0", None, "403", is_in_file=True).fault == ""


def test_a_log_that_begins_anew_behind_the_old_one_can_be_acknowledged() -> None:
    rollouts = Rollouts()
    assert of_revocation(rollouts, "900-0", cursors("100-0")).acknowledged_pods == 0
    assert of_revocation(rollouts, "100-0", cursors("100-0")).acknowledged_pods == 1


def test_after_a_restart_a_revocation_keeps_the_acknowledgement_of_its_status() -> None:
    published = [{"type": "Published", "status": "True"}]
    status: dict[str, Any] = {"observedGeneration": 1, "conditions": published, "pods": 2, "acknowledgedPods": 2}
    for cursor, is_in_file in (("900-0", False), (None, True)):
        for seen in (None, leases(), cursors("1-0")):
            found = of_revocation(Rollouts(), cursor, seen, is_in_file=is_in_file, **status)
            assert (found.is_written, found.pods, found.acknowledged_pods) == (True, 2, 2)
    incomplete = {**status, "acknowledgedPods": 1}
    assert of_revocation(Rollouts(), "900-0", cursors("1-0"), **incomplete).acknowledged_pods == 0


def test_what_is_gone_or_not_accepted_is_forgotten() -> None:
    rollouts = Rollouts()
    of_route(rollouts, 7, None)
    rollouts.keep_only({("WsRoute", KEY)})
    assert of_route(rollouts, 8, None).version == 7
    rollouts.keep_only({("TokenRevocation", KEY)})
    assert of_route(rollouts, 8, None).version == 8
