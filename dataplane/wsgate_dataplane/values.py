"""How a value is declared that is made and read with every handshake."""

from dataclasses import dataclass, replace
from typing import Any, TypeVar, dataclass_transform

Kind = TypeVar("Kind")


@dataclass_transform(frozen_default=True)
def value(kind: type[Kind]) -> type[Kind]:
    """Make a class with annotated fields a value: compared by its fields, and frozen for the type checker.

    A NamedTuple's fields are read through a descriptor, three times as slowly, since the interpreter cannot
    specialise that; and where a dataclass is frozen at run time too, it takes three times as long to make.
    """
    return dataclass(slots=True, unsafe_hash=True)(kind)


def changed(of: Kind, **fields: Any) -> Kind:
    """The same value with other fields."""
    # A dataclass, which the checker does not know of one that is declared by a transform.
    known: Any = of
    same: Kind = replace(known, **fields)
    return same
