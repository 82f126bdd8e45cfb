"""What the Engine's values promise."""

from dataclasses import FrozenInstanceError

import pytest

from wsgate_dataplane.frames.scanner import Rule
from wsgate_dataplane.relay.asyncio_engine import AsyncioEngine
from wsgate_dataplane.relay.engine import Counters, Engine, Limit, RelayLimits


def test_the_asyncio_engine_is_an_engine() -> None:
    engine_type: type[Engine] = AsyncioEngine
    assert all(hasattr(engine_type, name) for name in vars(Engine) if not name.startswith("_"))


def test_each_rule_of_the_scanner_is_a_limit() -> None:
    assert {rule.name: rule.value for rule in Rule}.items() <= {limit.name: limit.value for limit in Limit}.items()


def test_limits_are_shared_and_therefore_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        RelayLimits().idle_seconds = 1  # type: ignore[misc]  # that it fails is the point


def test_counters_start_at_nothing() -> None:
    assert Counters() == Counters(0, 0, 0, 0)
