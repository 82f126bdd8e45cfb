"""Who shares a budget, who does not, and how long one is remembered."""

import logging

import pytest

from wsgate_dataplane.limits import budgets as module
from wsgate_dataplane.limits.budgets import Budgets, shared_name
from wsgate_dataplane.limits.meter import SessionMeter
from wsgate_dataplane.limits.rates import Key, Rate, Rates
from wsgate_dataplane.telemetry.metrics import Metrics


class House:
    """Budgets with a clock that a test moves."""

    def __init__(self, *, knows_addresses: bool = True) -> None:
        self.now = 100.0
        self.metrics = Metrics()
        self.budgets = Budgets(self.metrics, lambda: self.now, knows_addresses=knows_addresses)

    def open(
        self,
        key: Key = "Subject",
        route: str = "default/chat",
        issuer: str | None = "https://id",
        subject: str | None = "alice",
        address: str = "192.0.2.1",
        rate: Rate = Rate(10, 30),  # noqa: B008  # a frozen value
    ) -> SessionMeter:
        return self.budgets.open(Rates(rate, None, key), route, issuer, subject, address)


def share(one: SessionMeter, other: SessionMeter) -> bool:
    """Whether what one spends is missing to the other."""
    before = other.left()[0]
    one.spend(1, 0)
    return other.left()[0] < before


def test_the_sessions_of_a_subject_share_a_budget_whatever_their_addresses() -> None:
    house = House()
    assert share(house.open(address="192.0.2.1"), house.open(address="192.0.2.2"))


def test_defect_7_there_is_no_one_rate_bucket_for_all_clients() -> None:
    house = House()
    alice = house.open()
    for other in (
        house.open(subject="bob"),
        house.open(issuer="https://other"),
        house.open(route="default/other"),
        house.open(route="tenant/chat"),
        house.open(key="IP"),
        house.open(key="Connection"),
    ):
        assert not share(alice, other)


def test_without_a_subject_the_address_counts_and_ipv6_by_its_network() -> None:
    house = House()
    assert share(house.open(subject=None), house.open(subject=None))
    assert not share(house.open(subject=None), house.open(subject=None, address="192.0.2.2"))
    one, same, other = (
        house.open("IP", address=each) for each in ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1")
    )
    assert share(one, same)
    assert not share(one, other)
    assert share(house.open("IP", subject="alice"), house.open("IP", subject="bob"))


def test_each_connection_has_its_own_where_addresses_may_be_a_proxys(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "wsgate")
    house = House(knows_addresses=False)
    assert not share(house.open("IP"), house.open("IP"))
    assert not share(house.open(subject=None), house.open(subject=None))
    assert share(house.open(), house.open())
    assert [record.message for record in caplog.records] == ["rate limits not by address"]


def test_a_route_with_new_rates_begins_new_budgets_and_the_old_sessions_keep_theirs() -> None:
    house = House()
    old, new = house.open(), house.open(rate=Rate(1, 2))
    assert old.left()[0] == 30
    assert new.left()[0] == 2
    assert not share(old, new)


def test_to_leave_and_come_back_gains_nothing() -> None:
    house = House()
    meter = house.open()
    meter.spend(30, 0)
    meter.stop()
    house.now += 1
    assert house.open().left()[0] == pytest.approx(10)


def test_a_budget_of_nobody_is_forgotten_once_it_is_full() -> None:
    house = House()
    untouched, used = house.open(subject="bob"), house.open()
    used.spend(30, 0)
    assert len(house.budgets) == 2
    untouched.stop()
    used.stop()
    assert len(house.budgets) == 1
    house.now += 3.1
    house.open("Connection").stop()
    assert len(house.budgets) == 0


def test_a_budget_that_is_used_again_is_not_forgotten() -> None:
    house = House()
    first = house.open()
    first.spend(10, 0)
    first.stop()
    again = house.open()
    house.now += 100
    assert share(again, house.open())
    assert len(house.budgets) == 1


def test_budgets_of_nobody_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IDLE_MAX", 10)
    house = House()
    for number in range(50):
        meter = house.open(subject=str(number))
        meter.spend(1 + number % 7, 0)
        meter.stop()
    assert len(house.budgets) <= 10


def test_a_pause_is_counted_and_an_end_is_none() -> None:
    house = House()
    closing = house.budgets.open(Rates(Rate(1, 1), None, closes=True), "a/b", None, "alice", "192.0.2.1")
    closing.spend(1, 0)
    assert closing.closes
    assert closing.wait() is None
    house.open(rate=Rate(1, 1)).wait()
    assert house.metrics.registry.get_sample_value("wsgate_rate_limit_pauses_total") == 1


def test_a_shared_name_shows_nobody_and_is_the_same_in_every_pod() -> None:
    key = ("default/chat", Rates(Rate(10, 30), None).name, "subject", "https://id", "alice")
    name = shared_name(key)
    assert name == shared_name(("default/chat", Rates(Rate(10, 30), None).name, "subject", "https://id", "alice"))
    assert len(name) == 32
    assert "alice" not in name
    assert name != shared_name((*key[:3], "https://id", "bob"))
    assert shared_name((*key[:4], "\ud800"))
