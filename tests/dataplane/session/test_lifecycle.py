"""A session's life as transcripts: events in, commands out."""

import itertools
from collections.abc import Callable

import pytest

from wsgate_dataplane.outcomes.table import OUTCOMES, Reason
from wsgate_dataplane.session.lifecycle import TRANSITIONS, CloseBoth, Ended, Lifecycle, Phase

REVOKED = CloseBoth(1008, "token revoked")


def opened() -> Lifecycle:
    life = Lifecycle()
    life.opened()
    return life


def test_a_clients_close_passes_through_with_its_code() -> None:
    life = Lifecycle()
    phases = [life.phase]
    life.opened()
    phases.append(life.phase)
    assert life.over("client", 4001) == Ended(Reason.CLIENT_CLOSED, "client", 4001, "")
    assert [*phases, life.phase] == [Phase.PENDING, Phase.OPEN, Phase.OVER]


def test_an_upstreams_close_passes_through_with_its_code() -> None:
    assert opened().over("upstream", 1000) == Ended(Reason.UPSTREAM_CLOSED, "upstream", 1000, "")


def test_a_close_without_a_code_is_reported_without_one() -> None:
    assert opened().over("client", None) == Ended(Reason.CLIENT_CLOSED, "client", None, "")


def test_a_revocation_tells_both_sides_and_is_what_is_reported() -> None:
    life = opened()
    assert life.end(Reason.TOKEN_REVOKED, "by shop/alice") == REVOKED
    assert life.phase is Phase.ENDING
    # The client answers our Close: that is no close of its own.
    assert life.over("client", 1008) == Ended(Reason.TOKEN_REVOKED, "gateway", 1008, "by shop/alice")


@pytest.mark.parametrize(("first", "second"), list(itertools.permutations([*OUTCOMES][::7], 2)))
def test_the_first_reason_wins_over_each_later_one(first: Reason, second: Reason) -> None:
    life = opened()
    life.end(first, "first", "upstream")
    assert life.end(second, "second", "client") is None
    assert life.over("client", 1000) == Ended(first, "upstream", OUTCOMES[first].close, "first")


@pytest.mark.parametrize("reason", OUTCOMES)
def test_an_open_session_says_the_words_of_its_reasons_row_or_nothing(reason: Reason) -> None:
    row = OUTCOMES[reason]
    expected = None if row.close is None else CloseBoth(row.close, row.words)
    assert opened().end(reason) == expected


def test_a_lost_client_needs_no_close_and_no_code_is_reported() -> None:
    life = opened()
    assert life.end(Reason.CLIENT_LOST, closed_by="client") is None
    assert life.over(None, None) == Ended(Reason.CLIENT_LOST, "client", None, "")


def test_a_lost_upstream_is_told_to_the_client_and_blamed_on_the_upstream() -> None:
    life = opened()
    assert life.end(Reason.UPSTREAM_LOST, closed_by="upstream") == CloseBoth(1014, "upstream lost")
    assert life.over(None, None) == Ended(Reason.UPSTREAM_LOST, "upstream", 1014, "")


def test_a_pending_session_is_refused_with_the_reason_and_there_is_nobody_to_tell() -> None:
    life = Lifecycle()
    assert life.refusal is None
    assert life.end(Reason.TOKEN_REVOKED) is None
    assert life.refusal is Reason.TOKEN_REVOKED


def test_the_first_reason_wins_for_a_refusal_too() -> None:
    life = Lifecycle()
    life.end(Reason.TOKEN_REVOKED)
    life.end(Reason.DRAINING)
    assert life.refusal is Reason.TOKEN_REVOKED


def test_a_refused_session_can_never_open() -> None:
    life = Lifecycle()
    life.end(Reason.TOKEN_REVOKED)
    with pytest.raises(AssertionError):
        life.opened()


def test_a_session_that_is_over_hears_nothing_any_more() -> None:
    life = opened()
    life.over("client", 1000)
    assert life.end(Reason.TOKEN_REVOKED) is None
    with pytest.raises(AssertionError):
        life.over("client", 1000)
    with pytest.raises(AssertionError):
        life.opened()


def test_the_table_is_closed_and_every_life_leads_forward_to_over() -> None:
    assert set(TRANSITIONS) == set(Phase)
    order = list(Phase)
    for phase, following in TRANSITIONS.items():
        assert all(order.index(each) > order.index(phase) for each in following)
        assert (Phase.OVER in following) is (phase is not Phase.OVER)


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("event", ["opened", "end", "over"])
def test_each_event_in_each_phase_moves_along_the_table_or_not_at_all(phase: Phase, event: str) -> None:
    life = Lifecycle()
    life.phase = phase
    events: dict[str, Callable[[], object]] = {
        "opened": life.opened,
        "end": lambda: life.end(Reason.DRAINING),
        "over": lambda: life.over("client", 1000),
    }
    try:
        events[event]()
    except AssertionError:
        assert life.phase is phase
    else:
        assert life.phase is phase or life.phase in TRANSITIONS[phase]
