"""The base of every value that crosses a border: frozen, strict, camelCase outside, snake_case inside."""

import json
from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


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
