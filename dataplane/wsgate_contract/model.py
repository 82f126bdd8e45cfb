"""The base of every value that crosses a border: frozen, strict, camelCase outside, snake_case inside."""

import json
from collections.abc import Iterable, Mapping
from functools import cache, cached_property
from typing import Any, Self, TypeVar, cast

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

Thing = TypeVar("Thing")


class Value(BaseModel):
    """A frozen value read from and written to JSON-shaped documents.

    Unknown fields are errors: a misspelt field that is ignored would fail open.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        use_attribute_docstrings=False,
    )

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Validate a JSON-shaped mapping; raises pydantic.ValidationError.

        It goes through JSON on purpose: strict JSON mode turns arrays into tuples and refuses
        the string "5" for an integer, as the API server does.
        """
        return cls.model_validate_json(json.dumps(document))

    def to_document(self) -> dict[str, Any]:
        """The camelCase mapping without the fields that stand at their default."""
        document: dict[str, Any] = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        return document


def bare(value: Thing) -> Thing:
    """A Value and all Values in it as objects of bare attributes, properties worked out; anything else as it is.

    For what every handshake reads: a pydantic model answers each read by way of its `__getattr__`, which takes ten
    times as long. It reads and compares like the Value that it stands for, and is frozen like it.
    """
    if isinstance(value, tuple):
        return cast(Thing, tuple(map(bare, value)))
    if not isinstance(value, Value):
        return value
    properties, kind = _attributes(type(value))
    # A model's fields stand in its __dict__.
    attributes = [*vars(value).items(), *((name, getattr(value, name)) for name in properties)]
    return cast(Thing, kind((name, bare(attribute)) for name, attribute in attributes))


class _Bare:
    __slots__: tuple[str, ...] = ()

    def __init__(self, attributes: Iterable[tuple[str, object]]) -> None:
        for name, attribute in attributes:
            object.__setattr__(self, name, attribute)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen")

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Value):
            other = bare(other)
        if type(self) is not type(other):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in self.__slots__)})"


@cache
def _attributes(kind: type[Value]) -> tuple[tuple[str, ...], type[_Bare]]:
    """Properties, and the class of what stands for such a Value."""
    own = [base for base in kind.__mro__ if issubclass(base, Value) and base is not Value]
    properties = tuple(
        name for base in own for name, found in vars(base).items() if isinstance(found, property | cached_property)
    )
    return properties, type(kind.__name__, (_Bare,), {"__slots__": (*kind.model_fields, *properties)})
