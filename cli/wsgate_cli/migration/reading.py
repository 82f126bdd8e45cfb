"""The original gateway's files: routes.yaml, env files, values.yaml and its Kustomize files."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wsgate_cli.migration.variables import Variable, line_of, read_env_file, read_mapping
from wsgate_operator.resources.invalid import InvalidObject, shown
from wsgate_operator.resources.legacy import LegacyRoute
from wsgate_operator.resources.parse import parse_legacy
from wsgate_operator.sources.files import FILE_BYTES_MAX, SUFFIXES
from wsgate_operator.sources.problem import Problem
from wsgate_operator.sources.yaml_documents import Document, Location, YAMLTextError, read_documents

ROUTES_KEY = "routes.yaml"
"""Of the ConfigMap in which the original's Kustomize base keeps the file."""
QUOTATION = re.compile(r"""(["']).*\1|(?<=tag )\S+|(?<=alias ).+""", re.DOTALL)
"""What an error of YAML may quote of a value."""
HELM_KEYS = {
    "replicaCount": "the chart of wsgate has the same value",
    "resources": "the chart of wsgate has the same value, for the data plane",
    "service": "the chart of wsgate has service.type and service.port; the port is 8080 by default",
    "image": "the chart of wsgate has two images: image.dataplane and image.operator",
    "ingress": "the chart of wsgate has an ingress of its own and no CORS middleware, which WebSockets do not "
    "ask; set INGRESS_HOST to the host, so that its own pages may send cookies",
}
"""What the original's values.yaml holds beside routes and environment."""


@dataclass(frozen=True)
class PlacedRoute:
    """An entry of a routes file and where it begins."""

    value: LegacyRoute
    place: str


@dataclass(frozen=True)
class Found:
    """What the files say; with problems it is unfit."""

    routes: tuple[PlacedRoute, ...] = ()
    variables: tuple[Variable, ...] = ()
    problems: tuple[Problem, ...] = ()
    changes: tuple[str, ...] = ()
    """What was not read on purpose."""


Part = PlacedRoute | Variable | Problem | str


def read_files(routes: Iterable[Path], env_files: Iterable[Path], values: Iterable[Path]) -> Found:
    """Read everything; never raises for what the files hold or for files it cannot read."""
    parts: list[Part] = []
    for readers, paths in ((_routes, routes), (_environment, env_files), (_values, values)):
        for path in paths:
            parts.extend(readers(path))
    return Found(
        tuple(part for part in parts if isinstance(part, PlacedRoute)),
        tuple(part for part in parts if isinstance(part, Variable)),
        tuple(part for part in parts if isinstance(part, Problem)),
        tuple(part for part in parts if isinstance(part, str)),
    )


def _text_of(path: Path) -> str | Problem:
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        return Problem(
            str(path), f"cannot be read: {error.strerror or error}", "check the path and its permissions"
        )
    if len(data) > FILE_BYTES_MAX:
        return Problem(str(path), f"larger than {FILE_BYTES_MAX} bytes", "split the file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return Problem(str(path), f"not UTF-8 at byte {error.start}", "save the file as UTF-8")


def _documents(file: str, text: str, *, has_secrets: bool = False) -> Sequence[Document] | Problem:
    try:
        return read_documents(text)
    except YAMLTextError as error:
        line, column = (None, None) if error.mark is None else (error.mark.line, error.mark.column)
        message = QUOTATION.sub("…", error.message) if has_secrets else error.message
        return Problem(file, message, error.fix, line, column)


def _routes(path: Path) -> Iterator[Part]:
    text = _text_of(path)
    yield from (text,) if isinstance(text, Problem) else _routes_text(str(path), text)


def _routes_text(file: str, text: str) -> Iterator[Part]:
    documents = _documents(file, text)
    if isinstance(documents, Problem):
        yield documents
        return
    if not documents:
        yield Problem(file, "is empty", "write [] for no routes")
    for document in documents:
        if isinstance(document.value, list):
            yield from _entries(file, document, ())
        elif _kind(document) == "ConfigMap":
            yield from _config_map(file, document)
        else:
            yield _not_routes(file, document)


def _config_map(file: str, document: Document) -> Iterator[Part]:
    data = document.value.get("data")
    text = data.get(ROUTES_KEY) if isinstance(data, dict) else None
    if isinstance(text, str):
        yield from _routes_text(f"{file} data.{ROUTES_KEY}", text)
    else:
        yield Problem(file, f"a ConfigMap without data.{ROUTES_KEY}", "its environment is read by --env-file")


def _not_routes(file: str, document: Document) -> Problem:
    line = line_of(document, ())
    if isinstance(document.value, dict) and "gatewayRoutes" in document.value:
        return Problem(file, "these are values of a Helm chart", "give the file as --values", line)
    if str(_kind(document)) in ("WsRoute", "TokenRevocation"):
        return Problem(file, f"a {_kind(document)}, which is wsgate's own", "nothing is to be migrated here", line)
    message = f"expected the original gateway's list of routes, found {shown(document.value)}"
    return Problem(file, message, "begin each route with - prefix:", line)


def _entries(file: str, document: Document, base: Location) -> Iterator[Part]:
    value: Any = document.value
    for part in base:
        value = value[part]
    if not isinstance(value, list):
        message = f"expected a list of routes, found {shown(value)}"
        yield Problem(file, message, "begin each with - prefix:", line_of(document, base), path=str(base[-1]))
        return
    try:
        entries = parse_legacy(value)
    except InvalidObject as error:
        for fault in error.errors:
            path = f"{base[-1]}{fault.path}" if base else fault.path
            line = line_of(document, (*base, *fault.location))
            yield Problem(file, fault.message, fault.fix, line, path=path)
        return
    for index, entry in enumerate(entries):
        yield PlacedRoute(entry, f"{file}:{line_of(document, (*base, index))}")


def _environment(path: Path) -> Iterator[Part]:
    text = _text_of(path)
    if isinstance(text, Problem):
        yield text
    elif path.suffix not in SUFFIXES:
        yield from read_env_file(str(path), text)
    else:
        documents = _documents(str(path), text, has_secrets=True)
        yield from (documents,) if isinstance(documents, Problem) else _objects(str(path), documents)


def _objects(file: str, documents: Sequence[Document]) -> Iterator[Part]:
    for document in documents:
        kind = _kind(document)
        if kind not in ("ConfigMap", "Secret"):
            found = shown(kind) if kind else shown(document.value)
            yield Problem(file, f"expected a ConfigMap or a Secret, found {found}", "or give NAME=value lines")
            continue
        for key in ("data", "stringData"):
            if key in document.value:
                is_secret = kind == "Secret"
                yield from read_mapping(
                    file, document, (key,), is_secret=is_secret, is_base64=is_secret and key == "data"
                )


def _values(path: Path) -> Iterator[Part]:
    file = str(path)
    text = _text_of(path)
    documents = text if isinstance(text, Problem) else _documents(file, text, has_secrets=True)
    if isinstance(documents, Problem):
        yield documents
        return
    if len(documents) != 1 or not isinstance(documents[0].value, dict):
        yield Problem(file, "expected one mapping of values", "give the values.yaml of the original's Helm chart")
        return
    (document,) = documents
    for key in document.value:
        if key == "gatewayRoutes":
            if document.value[key] is not None:
                yield from _entries(file, document, (key,))
        elif key in ("env", "secrets"):
            yield from read_mapping(file, document, (key,), is_secret=key == "secrets")
        else:
            yield f"{file}: {key}: not carried over: {HELM_KEYS.get(key, 'nothing here reads it')}"


def _kind(document: Document) -> object:
    return document.value.get("kind") if isinstance(document.value, dict) else None
