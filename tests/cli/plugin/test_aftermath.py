"""A revocation that revokes nothing is told within two seconds; one that works costs no wait."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.plugin.stub_kubectl import StubKubectl
from wsgate_cli.plugin.aftermath import WAIT_SECONDS_MAX, Judgement, judge, watch
from wsgate_cli.plugin.kubectl import Kubectl

WORKS = {"Accepted": "True", "Published": "True", "Active": "True"}


def found(states: dict[str, str], **extra: Any) -> dict[str, Any]:
    conditions = [
        {"type": name, "status": state, "reason": f"{name}Reason", "message": f"about {name}"}
        for name, state in states.items()
    ]
    return {"metadata": {}, "spec": {}, "status": {"conditions": conditions}, **extra}


def created(second: str, issued_before: str) -> dict[str, Any]:
    times = {"metadata": {"creationTimestamp": second}, "spec": {"issuedBefore": issued_before}}
    return found(WORKS, **times)


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def stub(tmp_path: Path) -> StubKubectl:
    return StubKubectl(tmp_path)


def watched(stub: StubKubectl, *, is_now: bool = True) -> tuple[str, ...]:
    clock = Clock()
    return watch(Kubectl(str(stub.program)), "a", ("--namespace=n",), clock, clock.sleep, is_now=is_now)


def test_one_that_is_in_force_needs_no_words() -> None:
    assert judge(found(WORKS)) == Judgement(is_settled=True, warnings=())


def test_one_without_routes_in_scope_is_settled_and_told_with_the_operators_words() -> None:
    judgement = judge(found({**WORKS, "Active": "False"}))
    assert judgement.is_settled
    assert judgement.warnings == ("it revokes nothing: Active is False: ActiveReason: about Active",)


def test_of_several_conditions_the_first_that_fails_is_told() -> None:
    judgement = judge(found({"Accepted": "False", "Published": "False", "Active": "False"}))
    assert judgement.warnings == ("it revokes nothing: Accepted is False: AcceptedReason: about Accepted",)


@pytest.mark.parametrize("status", [{}, {"conditions": []}, found({**WORKS, "Published": "Unknown"})["status"]])
def test_one_that_no_operator_has_judged_is_not_settled(status: dict[str, Any]) -> None:
    judgement = judge({"status": status})
    assert not judgement.is_settled
    assert judgement.warnings[0].startswith("not in force yet")


def test_watching_asks_for_that_object_and_ends_with_the_first_verdict(stub: StubKubectl) -> None:
    stub.says("get", out=json.dumps(found(WORKS)))
    assert watched(stub) == ()
    (call,) = stub.calls
    assert call.arguments == ["get", "tokenrevocations.wsgate.dev", "a", "-o=json", "--namespace=n"]


def test_watching_ends_at_the_limit_with_what_is_still_open(stub: StubKubectl) -> None:
    stub.says("get", out=json.dumps(found({**WORKS, "Active": "Unknown"})))
    assert watched(stub) == (f"not in force yet after {WAIT_SECONDS_MAX:g} s: Active is Unknown: about Active",)
    assert 2 < len(stub.calls) <= 21


@pytest.mark.parametrize(
    "answer", [{"err": "forbidden", "status": 1}, {"out": "no json"}], ids=["refused", "not readable"]
)
def test_who_may_not_look_is_told_that_nothing_is_known(answer: dict[str, Any], stub: StubKubectl) -> None:
    stub.says("get", **answer)
    (warning,) = watched(stub)
    assert warning.startswith("not known whether it is in force: ")
    assert len(stub.calls) == 1


@pytest.mark.parametrize(
    ("issued_before", "does"), [("2026-01-01T00:00:00Z", False), ("2025-12-31T23:59:00Z", True)]
)
def test_a_clock_that_lags_is_told_since_it_spares_tokens(
    issued_before: str, does: object, stub: StubKubectl
) -> None:
    stub.says("get", out=json.dumps(created("2026-01-01T00:00:02Z", issued_before)))
    assert bool(watched(stub)) is does
    assert watched(stub, is_now=False) == ()
