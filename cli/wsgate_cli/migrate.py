"""wsgate migrate: the original gateway's files become WsRoutes and an environment, and what differs is named."""

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from wsgate_cli.migration.changes import ALWAYS, NO_PROVIDER, PROVIDER, SECRET_HINT, SECRET_HINTS
from wsgate_cli.migration.environment import Environment, judge
from wsgate_cli.migration.objects import Objects, objects_of
from wsgate_cli.migration.reading import Found, read_files
from wsgate_cli.migration.writing import (
    ENVIRONMENT_FILE,
    OBJECTS_FILE,
    environment_text,
    objects_text,
    write_whole,
)
from wsgate_cli.standalone import translate_options
from wsgate_operator.resources.metadata import LABEL_PATTERN
from wsgate_operator.settings import OperatorSettings

HELP = "turn the original gateway's routes file, environment and Helm values into wsgate's"
USER_INFO = re.compile(r"(?<=://)[^/\s@]*@")
"""A password in a URL that a message quotes."""


class MigrateError(Exception):
    """The question cannot be asked; the message says why."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "routes",
        nargs="*",
        type=Path,
        metavar="ROUTES",
        help="the original's routes.yaml, or the ConfigMap that holds it",
    )
    parser.add_argument(
        "--env-file",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="its environment: NAME=value lines, or a ConfigMap or Secret in a .yaml file; repeatable",
    )
    parser.add_argument(
        "--values",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="its Helm values: gatewayRoutes, env and secrets; repeatable",
    )
    parser.add_argument(
        "--namespace",
        type=_namespace,
        metavar="NAME",
        help="write it into the objects; default: none, kubectl and wsgate standalone choose",
    )
    parser.add_argument(
        "--output",
        metavar="PATH",
        help=f"a file for the objects, or a folder for {OBJECTS_FILE} and {ENVIRONMENT_FILE} (it exists, or PATH "
        "ends in /); default: the objects to standard output",
    )


def run(options: argparse.Namespace) -> int:
    """0 written; 2 where the input cannot be used, and then nothing is written."""
    try:
        inputs = [*options.routes, *options.env_file, *options.values]
        if not inputs:
            raise MigrateError("nothing to read: name a routes file, --env-file or --values")
        found = read_files(options.routes, options.env_file, options.values)
        environment = judge(found.variables)
        objects = _objects(found, environment, options.namespace)
        problems = [*found.problems, *environment.problems, *objects.problems]
        if problems:
            raise MigrateError("\n".join(USER_INFO.sub("…@", str(problem)) for problem in problems))
        is_folder = _write(_texts(options, objects, environment), options.output, inputs)
    except (MigrateError, OSError) as error:
        print(f"wsgate migrate: nothing is written\n{error}", file=sys.stderr)
        return 2
    _tell(found, environment, objects, is_environment_written=is_folder or not (options.routes or found.routes))
    return 0


def _namespace(text: str) -> str:
    if not re.fullmatch(LABEL_PATTERN, text) or len(text) > 63:
        raise argparse.ArgumentTypeError(f"expected the name of a namespace, found {text!r}")
    return text


def _objects(found: Found, environment: Environment, namespace: str | None) -> Objects:
    if not found.routes:
        return Objects(())
    settings = environment.settings
    operator_settings = OperatorSettings(
        root_namespace=namespace or "default", gateway_name=settings.wsgate_gateway_name
    )
    return objects_of(found.routes, translate_options(operator_settings, settings), namespace)


def _texts(options: argparse.Namespace, objects: Objects, environment: Environment) -> Mapping[str, str]:
    """The files by name, the main one first: the objects, unless there was nothing but environment to read."""
    texts = {}
    if options.routes or objects.documents:
        texts[OBJECTS_FILE] = objects_text(objects.documents)
    if not texts or options.env_file or options.values:
        secrets = [variable.name for variable in environment.secrets]
        texts[ENVIRONMENT_FILE] = environment_text(environment.plain, secrets)
    return texts


def _write(texts: Mapping[str, str], output: str | None, inputs: Sequence[Path]) -> bool:
    """Write to where it was asked for; whether that is a folder, which gets all. Raises OSError, MigrateError."""
    main = next(iter(texts.values()))
    if output is None:
        print(main, end="")
        return False
    is_folder = output.endswith("/") or Path(output).is_dir()
    files = {Path(output) / name: text for name, text in texts.items()} if is_folder else {Path(output): main}
    for path in files:
        if path.exists() and any(path.samefile(each) for each in inputs):
            raise MigrateError(f"--output: {path} is read from; choose another place")
    for path, text in files.items():
        write_whole(path, text)
    return is_folder


def _tell(found: Found, environment: Environment, objects: Objects, *, is_environment_written: bool) -> None:
    """Say on standard error what differs and what is left to do."""
    names = {variable.name for variable in environment.secrets} | environment.plain.keys()
    has_provider = bool(names & {"JWKS_URL", "JWKS_URL_FILE"})
    changes = [*found.changes, *environment.changes, *objects.changes]
    changes += [PROVIDER if has_provider else NO_PROVIDER, *ALWAYS]
    lines = [f"changed: {change}" for change in changes]
    if not is_environment_written:
        lines += [f"environment: {name}={value}" for name, value in environment.plain.items()]
    for variable in environment.secrets:
        hint = SECRET_HINTS.get(variable.name, SECRET_HINT)
        lines.append(
            f"secret: {variable.name}: not printed; put the value of {variable.place} {hint}, below secrets: of "
            "the chart's values, or into the environment of wsgate standalone"
        )
    if objects.documents:
        lines.append("next: kubectl apply -n wsgate-system -f FILE, or wsgate standalone --config FILE")
    print("\n".join(lines), file=sys.stderr)
