"""An upstream that fails again and again is left alone for a while, then tried by one."""

from wsgate_dataplane.upstreams.circuit import Circuit


def opened(at: float = 100.0) -> Circuit:
    circuit = Circuit(failures_max=2, open_seconds=60, probe_seconds=30)
    for number in range(2):
        assert circuit.failed(circuit.begin(), at) is (number == 1)
    return circuit


def test_failures_in_a_row_open_it_and_a_success_between_them_does_not() -> None:
    circuit = Circuit(2, 60, 30)
    assert not circuit.failed(circuit.begin(), 0)
    circuit.succeeded()
    assert not circuit.failed(circuit.begin(), 0)
    assert circuit.allows(0)
    assert circuit.failed(circuit.begin(), 0)
    assert not circuit.allows(59)


def test_it_tells_how_long_it_stays_open() -> None:
    circuit = opened(at=100)
    assert circuit.seconds_left(110) == 50
    assert circuit.seconds_left(200) == 0
    assert Circuit(2, 60, 30).seconds_left(0) == 0


def test_after_its_time_one_handshake_is_the_trial() -> None:
    circuit = opened(at=100)
    assert circuit.allows(160)
    circuit.begin()
    assert not circuit.allows(160)
    circuit.succeeded()
    assert circuit.allows(160)
    circuit.failed(circuit.begin(), 161)
    assert circuit.allows(161), "it is closed, and one failure does not open it"


def test_a_trial_that_fails_opens_it_again() -> None:
    circuit = opened(at=100)
    assert circuit.failed(circuit.begin(), 170)
    assert not circuit.allows(229)
    assert circuit.allows(230)


def test_a_trial_that_nobody_waits_for_leaves_room_for_the_next() -> None:
    circuit = opened(at=100)
    circuit.abandoned(circuit.begin())
    assert circuit.allows(160)


def test_what_began_before_it_opened_does_not_prolong_it() -> None:
    circuit = Circuit(failures_max=2, open_seconds=60, probe_seconds=30)
    early, *others = (circuit.begin() for _ in range(3))
    for ticket in others:
        circuit.failed(ticket, 100)
    assert not circuit.failed(early, 150)
    assert circuit.allows(160)


def test_the_end_of_what_began_before_is_not_that_of_the_trial() -> None:
    circuit = Circuit(failures_max=2, open_seconds=60, probe_seconds=30)
    one, two, *others = (circuit.begin() for _ in range(4))
    for ticket in others:
        circuit.failed(ticket, 100)
    trial = circuit.begin()
    assert not circuit.failed(one, 161)
    assert not circuit.abandoned(two)
    assert not circuit.allows(161), "the trial is still under way"
    assert circuit.failed(trial, 162)
    later = circuit.begin()
    assert not circuit.abandoned(trial), "its time is over"
    assert not circuit.allows(230)
    assert circuit.abandoned(later)
    assert circuit.allows(230)


def test_a_good_probe_lets_a_trial_through_and_a_bad_one_comes_again() -> None:
    circuit = opened(at=100)
    assert circuit.probe_at == 130
    circuit.probed(130, is_back=False)
    assert circuit.probe_at == 160
    circuit.probed(140, is_back=True)
    assert circuit.probe_at is None
    assert circuit.allows(140)
    circuit.succeeded()
    circuit.probed(150, is_back=False)
    assert circuit.allows(150), "it was closed meanwhile"
