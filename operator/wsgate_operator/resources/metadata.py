"""What every custom resource carries beside its spec: identity, age, conditions."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from wsgate_contract.model import Value

GROUP = "wsgate.dev"
VERSION = "v1alpha1"
API_VERSION: Literal["wsgate.dev/v1alpha1"] = "wsgate.dev/v1alpha1"

NAME_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
LABEL_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
DATE_TIME_PATTERN = r"^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})$"

LAST_SECOND = 253_402_300_799
"""Of the year 9999 in UTC: in no offset or fraction may a moment leave the years that every reader knows."""


def parse_date_time(text: str) -> datetime:
    """The moment an RFC 3339 text names; raises ValueError where the calendar has no such moment."""
    return datetime.fromisoformat(text.upper())


def _on_the_calendar(text: str) -> str:
    try:
        seconds = parse_date_time(text).timestamp()
    except ValueError as error:
        raise PydanticCustomError(
            "date_time",
            "no such moment, {why}; write it like 2026-01-31T18:00:00Z",
            {"why": str(error)},
        ) from error
    if not 0 <= seconds <= LAST_SECOND:
        raise PydanticCustomError(
            "date_time_range",
            "expected a moment from 1970 to 9999 in UTC, found {found}; write it like 2026-01-31T18:00:00Z",
            {"found": text},
        )
    return text


DateTime = Annotated[
    str,
    Field(max_length=40, pattern=DATE_TIME_PATTERN, json_schema_extra={"format": "date-time"}),
    AfterValidator(_on_the_calendar),
]
"""An RFC 3339 moment, kept as the text that was written."""

GatewayName = Annotated[str, Field(min_length=1, max_length=63, pattern=LABEL_PATTERN)]


class Metadata(Value, extra="ignore"):
    """The part of metadata that counts; the API server owns the rest."""

    name: str = Field(min_length=1, max_length=253, pattern=NAME_PATTERN, description="Name of the object.")
    namespace: str | None = Field(
        default=None,
        min_length=1,
        max_length=63,
        pattern=LABEL_PATTERN,
        description="Namespace; in files the root namespace when left out.",
    )
    creation_timestamp: DateTime | None = Field(
        default=None, description="Set by the API server; the older object wins a conflict."
    )
    generation: int | None = Field(default=None, description="Set by the API server.")


class Condition(Value, extra="ignore"):
    """One aspect of the object's state, as Kubernetes' metav1.Condition."""

    type: str = Field(min_length=1, max_length=316, description="Name of the condition.")
    status: Literal["True", "False", "Unknown"] = Field(description="Whether it holds.")
    reason: str = Field(default="", max_length=1024, description="One word for why.")
    message: str = Field(default="", max_length=32768, description="Why, and what to do, in words.")
    observed_generation: int | None = Field(
        default=None, ge=0, description="The generation of the spec that this speaks about."
    )
    last_transition_time: DateTime | None = Field(default=None, description="When status last changed.")


class Status(Value, extra="ignore"):
    """Written by the operator only."""

    observed_generation: int | None = Field(
        default=None, ge=0, description="The generation of the spec that the operator has seen."
    )
    conditions: tuple[Condition, ...] = Field(default=(), max_length=16, description="State in aspects.")


class Resource(Value):
    """A custom resource; subclasses add kind, spec and status."""

    api_version: Literal["wsgate.dev/v1alpha1"] = Field(description="wsgate.dev/v1alpha1.")
    metadata: Metadata = Field(description="Name, namespace, age.")

    @property
    def key(self) -> str:
        """namespace/name; just the name while the namespace is open."""
        namespace = self.metadata.namespace
        return self.metadata.name if namespace is None else f"{namespace}/{self.metadata.name}"
