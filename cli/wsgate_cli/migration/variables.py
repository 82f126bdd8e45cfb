"""The original's environment as it was written: an env file, or a ConfigMap or Secret of Kubernetes."""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from wsgate_dataplane.settings import SECRETS
from wsgate_operator.resources.invalid import shown
from wsgate_operator.sources.problem import Problem
from wsgate_operator.sources.yaml_documents import Document, Location

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
QUOTED = re.compile(r"""(?P<quote>["'])(?P<value>.*)(?P=quote)\s*(#.*)?""")
INLINE_COMMENT = re.compile(r"\s+#.*$")
SECRET_NAMES = frozenset(name.upper() for name in SECRETS)
NO_VALUE = "expected text or a number"


@dataclass(frozen=True)
class Variable:
    """A variable and where it was found; the value of a secret one is never shown, not even by repr()."""

    name: str
    value: str = field(repr=False)
    file: str
    line: int | None = None
    is_secret: bool = False

    @property
    def place(self) -> str:
        """FILE:LINE."""
        return self.file if self.line is None else f"{self.file}:{self.line}"

    def problem(self, message: str, fix: str) -> Problem:
        """What is wrong with it."""
        return Problem(self.file, message, fix, self.line, path=self.name)


def read_env_file(file: str, text: str) -> Iterator[Variable | Problem]:
    """NAME=value lines; quotes and a comment behind the value are taken off, as Compose does.

    No message quotes a line: it may be a piece of a secret.
    """
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip().removeprefix("export ").lstrip()
        if not stripped or stripped.startswith("#"):
            continue
        name, equals, value = stripped.partition("=")
        name = name.rstrip()
        if not equals or not NAME.fullmatch(name):
            yield Problem(file, "not a line of the form NAME=value", "correct it, or begin it with #", number)
            continue
        value = value.strip()
        if value[:1] in ("'", '"'):
            found = QUOTED.fullmatch(value)
            if found is None:
                yield Problem(file, "the quote has no end on this line", "close it there", number, path=name)
                continue
            value = found["value"]
        else:
            value = "" if value.startswith("#") else INLINE_COMMENT.sub("", value)
        yield Variable(name, value, file, number, name in SECRET_NAMES)


def read_mapping(
    file: str, document: Document, location: Location, *, is_secret: bool = False, is_base64: bool = False
) -> Iterator[Variable | Problem]:
    """The mapping at a location of a document; is_secret: whatever the names are."""
    values = document.value
    for part in location:
        values = values[part]
    path = ".".join(map(str, location))
    if values is None:
        return
    if not isinstance(values, Mapping):
        message = (
            f"expected a mapping of names to values, found {'something else' if is_secret else shown(values)}"
        )
        yield Problem(file, message, "write NAME: value lines below it", line_of(document, location), path=path)
        return
    for name, value in values.items():
        line = line_of(document, (*location, name))
        if value is not None and not isinstance(value, str | int | float):
            yield Problem(file, NO_VALUE, "put the value in quotes", line, path=f"{path}.{name}")
            continue
        text = _text(value)
        if is_base64:
            try:
                text = base64.b64decode(text, validate=True).decode()
            except (binascii.Error, ValueError):
                fix = "encode it, or move it to stringData"
                yield Problem(file, "not the base64 of UTF-8 text", fix, line, path=f"{path}.{name}")
                continue
        yield Variable(name, text, file, line, is_secret or name in SECRET_NAMES)


def line_of(document: Document, location: Location) -> int | None:
    """Where a field stands."""
    mark = document.mark_of(location)
    return None if mark is None else mark.line


def _text(value: str | float | None) -> str:
    """As Helm and Kubernetes write it into the environment."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
