"""A function of the hot path that runs for several classes, once for each.

The interpreter specialises a code object for the type that it sees there (PEP 659). Where two types take turns it
gives up, and every attribute is looked up the long way.
"""

from collections.abc import Callable
from types import FunctionType
from typing import Any, TypeVar, cast

Function = TypeVar("Function", bound=Callable[..., Any])


def with_own_caches(function: Function) -> Function:
    """The same function with a code object of its own."""
    assert isinstance(function, FunctionType), "only a plain function has a code object"
    copy = FunctionType(
        function.__code__.replace(),
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    copy.__doc__ = function.__doc__
    return cast("Function", copy)
