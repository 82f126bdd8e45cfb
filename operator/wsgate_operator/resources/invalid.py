"""What is wrong with an object, by field, in words that a person can act on."""

import difflib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from wsgate_operator.resources import patterns

Location = tuple[str | int, ...]
VALUE_CHARS_MAX = 60


@dataclass(frozen=True)
class FieldError:
    """One fault: where, what, and the way out."""

    location: Location
    message: str
    fix: str

    @property
    def path(self) -> str:
        """The field as people write it, such as spec.auth.providers[0].issuer."""
        return path_of(self.location)

    def __str__(self) -> str:
        text = f"{self.message}; {self.fix}" if self.fix else self.message
        return f"{self.path}: {text}" if self.location else text


class InvalidObject(Exception):
    """The document is not an object of ours; errors holds at least one FieldError."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__("; ".join(str(error) for error in errors))
        self.errors = tuple(errors)


def path_of(location: Location) -> str:
    """Render a location: names joined by dots, indexes in brackets."""
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path


def explain(error: ValidationError, model: type[BaseModel]) -> tuple[FieldError, ...]:
    """Put pydantic's findings about a document of the model into words."""
    found = error.errors(include_url=False)
    return tuple(_explain_one(model, details) for details in found if not _is_echo(details, found))


def _is_echo(details: Any, found: Sequence[Any]) -> bool:
    """A list is too short for pydantic where its elements are wrong, which is told of each of them."""
    location = details["loc"]
    return details["type"] == "too_short" and any(
        len(other["loc"]) > len(location) and other["loc"][: len(location)] == location for other in found
    )


def nearest(word: str, candidates: Sequence[str]) -> str | None:
    """The candidate that was probably meant, whatever its case."""
    by_lower = {candidate.lower(): candidate for candidate in candidates}
    matches = difflib.get_close_matches(word.lower(), list(by_lower), n=1, cutoff=0.6)
    return by_lower[matches[0]] if matches else None


def shown(value: object) -> str:
    """A value in a message: its kind, and its text where that is short."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case int() | float():
            return f"the number {value}"
        case str():
            return f'"{value}"' if len(value) <= VALUE_CHARS_MAX else f'"{value[:VALUE_CHARS_MAX]}…"'
        case Mapping():
            return "a mapping"
        case _:
            return "a list"


def _explain_one(model: type[BaseModel], details: Any) -> FieldError:
    location: Location = tuple(details["loc"])
    explainer = _EXPLAINERS.get(details["type"])
    if explainer is not None:
        return FieldError(location, *explainer(model, details))
    # The rules of our own models carry their way out behind the semicolon.
    message, _, fix = details["msg"].partition("; ")
    return FieldError(location, message, fix)


Explainer = Callable[[type[BaseModel], Any], tuple[str, str]]


def _missing(model: type[BaseModel], details: Any) -> tuple[str, str]:
    name = details["loc"][-1]
    field = _fields_at(model, details["loc"][:-1]).get(str(name))
    return "is missing", f"add it: {field.description}" if field is not None else "add it"


def _unknown(model: type[BaseModel], details: Any) -> tuple[str, str]:
    *parent, name = details["loc"]
    names = list(_fields_at(model, tuple(parent)))
    guess = nearest(str(name), names)
    if guess is not None:
        return "unknown field", f'did you mean "{guess}"?'
    return "unknown field", f"remove it, or use one of {', '.join(names)}"


def _literal(_model: type[BaseModel], details: Any) -> tuple[str, str]:
    expected, found = details["ctx"]["expected"], details["input"]
    values = expected.replace("'", "").replace(" or ", ", ").split(", ")
    guess = nearest(found, values) if isinstance(found, str) else None
    message = f"expected {expected.replace(chr(39), '')}, found {shown(found)}"
    return message, f'write "{guess}"' if guess is not None else "write one of these"


def _whole_number(_model: type[BaseModel], details: Any) -> tuple[str, str]:
    found = details["input"]
    if isinstance(found, str) and found.strip().lstrip("-").isdigit():
        return f"expected a whole number, found the text {shown(found)}", f"write {found.strip()} without quotes"
    return f"expected a whole number, found {shown(found)}", "write a number without quotes, unit or fraction"


def _true_or_false(_model: type[BaseModel], details: Any) -> tuple[str, str]:
    return f"expected true or false, found {shown(details['input'])}", "write true or false, without quotes"


def _text(_model: type[BaseModel], details: Any) -> tuple[str, str]:
    found = details["input"]
    if isinstance(found, bool | int | float):
        return f"expected text, found {shown(found)}", f"put it in quotes: {json.dumps(json.dumps(found))}"
    return f"expected text, found {shown(found)}", "write text, or leave the field out"


def _list(_model: type[BaseModel], details: Any) -> tuple[str, str]:
    found = details["input"]
    fix = f"write [{found}]" if isinstance(found, str | int) else "write a list, or leave the field out"
    return f"expected a list, found {shown(found)}", fix


def _mapping(_model: type[BaseModel], details: Any) -> tuple[str, str]:
    return f"expected a mapping of fields, found {shown(details['input'])}", "write its fields indented below it"


def _pattern(_model: type[BaseModel], details: Any) -> tuple[str, str]:
    expected, fix = patterns.advise(details["ctx"]["pattern"], details["input"])
    return f"expected {expected}, found {shown(details['input'])}", fix


def _bound(words: str, key: str) -> Explainer:
    def explain_bound(_model: type[BaseModel], details: Any) -> tuple[str, str]:
        found = details["input"]
        if isinstance(found, list | tuple):
            found_text = f"{len(found)} elements"
        elif isinstance(found, str):
            found_text = f"{len(found)} characters"
        else:
            found_text = shown(found)
        return f"expected {words} {details['ctx'][key]}, found {found_text}", "change it to fit"

    return explain_bound


def _not_json(_model: type[BaseModel], _details: Any) -> tuple[str, str]:
    return "not expressible as JSON (nested too deeply, or broken text)", "simplify the document"


_EXPLAINERS: Mapping[str, Explainer] = {
    "missing": _missing,
    "extra_forbidden": _unknown,
    "literal_error": _literal,
    "int_type": _whole_number,
    "int_parsing": _whole_number,
    "int_from_float": _whole_number,
    "bool_type": _true_or_false,
    "bool_parsing": _true_or_false,
    "string_type": _text,
    "tuple_type": _list,
    "list_type": _list,
    "model_type": _mapping,
    "model_attributes_type": _mapping,
    "dict_type": _mapping,
    "string_pattern_mismatch": _pattern,
    "greater_than_equal": _bound("at least", "ge"),
    "less_than_equal": _bound("at most", "le"),
    "string_too_short": _bound("a length of at least", "min_length"),
    "string_too_long": _bound("a length of at most", "max_length"),
    "too_short": _bound("a length of at least", "min_length"),
    "too_long": _bound("a length of at most", "max_length"),
    "json_invalid": _not_json,
}


def _fields_at(model: type[BaseModel], location: Location) -> Mapping[str, Any]:
    """The fields of the model found at a location, by the names that documents use."""
    current: type[BaseModel] | None = model
    for part in location:
        if isinstance(part, int):
            continue
        field = _by_alias(current).get(part) if current is not None else None
        current = _model_in(field.annotation) if field is not None else None
    return _by_alias(current) if current is not None else {}


def _by_alias(model: type[BaseModel]) -> Mapping[str, Any]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model within Optional, tuple or Annotated."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_model_in(argument) for argument in get_args(annotation))
    return next((model for model in found if model is not None), None)
