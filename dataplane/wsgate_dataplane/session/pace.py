"""How fast many sessions are told to go: the one pacing rule of drain and of changed routes."""

from collections.abc import Callable

CLOSES_PER_SECOND = 200
"""Few sessions go at once; many are spread so that they do not reconnect in one blow."""


def pace(count: int, within_seconds: float, random: Callable[[], float]) -> list[float]:
    """A delay in seconds for each of count sessions, ascending, none above within_seconds.

    random gives floats in [0, 1): each delay is jittered within its own slot.
    """
    spread = min(within_seconds, count / CLOSES_PER_SECOND)
    # Rounding could put the last ones a hair behind the end.
    return [min(spread, spread * (index + random()) / count) for index in range(count)]
