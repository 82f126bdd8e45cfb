"""wsgate standalone: both components in one process, from a folder of YAML."""

import argparse
import asyncio
import logging
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import uvloop
from pydantic import ValidationError

from wsgate_dataplane.server import Address, DataPlane
from wsgate_dataplane.settings import Settings, SettingsError
from wsgate_dataplane.telemetry.log import configure
from wsgate_operator.renderer import FirstLoadError, Renderer
from wsgate_operator.settings import OperatorSettings
from wsgate_operator.sinks.directory import DirectorySink
from wsgate_operator.sources.files import FileSource
from wsgate_operator.translate.options import Options

HELP = "serve the routes of a folder of YAML, or of the original gateway's routes file"

DESCRIPTORS_MAX = 1_048_576

log = logging.getLogger("wsgate")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_config_argument(parser)
    parser.add_argument(
        "--listen", type=address, default=":8080", metavar="HOST:PORT", help="public listener (%(default)s)"
    )
    parser.add_argument(
        "--admin-listen",
        type=address,
        default="127.0.0.1:9090",
        metavar="HOST:PORT",
        help="liveness, readiness and metrics (%(default)s)",
    )


def add_config_argument(parser: argparse.ArgumentParser) -> None:
    """Declare --config."""
    parser.add_argument(
        "--config",
        type=Path,
        metavar="PATH",
        help="a folder of YAML objects, or one routes file; default: ROUTE_FILE, /etc/ws-gw/routes.yaml",
    )


def address(text: str) -> Address:
    """A HOST:PORT for argparse, hence its error."""
    try:
        return Address.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def run(options: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT; 2 where settings or files cannot be used."""
    configure(sys.stderr)
    _raise_descriptor_limit()
    try:
        settings, operator_settings = load_settings()
        with tempfile.TemporaryDirectory(prefix="wsgate-") as folder:
            config = options.config or settings.route_file
            renderer = make_renderer(config, Path(folder), operator_settings, settings)
            renderer.render()
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(_serve(settings, renderer, Path(folder), options.listen, options.admin_listen))
    except (SettingsError, FirstLoadError, OSError) as error:
        return _cannot_start(error)
    except ExceptionGroup as group:
        listening, other = group.split(OSError)
        if listening is None or other is not None:
            raise
        return _cannot_start(f"{listening.exceptions[0]}; choose others with --listen and --admin-listen")
    return 0


def _raise_descriptor_limit() -> None:
    """A session takes two descriptors, and the soft limit is often 1024 for the sake of select()."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS_MAX if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS_MAX)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _cannot_start(error: object) -> int:
    print(f"wsgate standalone: cannot start\n{error}", file=sys.stderr)
    return 2


def load_settings() -> tuple[Settings, OperatorSettings]:
    """Read the environment for both components; raises SettingsError with all faults, logs warnings."""
    faults: list[str] = []
    try:
        settings = Settings.load(os.environ)
    except SettingsError as error:
        faults += error.problems
    try:
        operator_settings = OperatorSettings()
    except ValidationError as error:
        for each in error.errors():
            name, found = f"WSGATE_{str(each['loc'][0]).upper()}", each["input"]
            faults.append(f"{name}: {each['msg'].lower()}, found {found!r}")
    if faults:
        raise SettingsError(faults)
    known = [f"WSGATE_{name.upper()}" for name in OperatorSettings.model_fields]
    for warning in settings.warnings(os.environ, known):
        log.warning("setting", extra={"fields": {"detail": warning}})
    return settings, operator_settings


def translate_options(operator_settings: OperatorSettings, settings: Settings) -> Options:
    """What translate needs to know of the settings."""
    return Options(
        root_namespace=operator_settings.root_namespace,
        gateway_name=operator_settings.gateway_name,
        host_ownership=operator_settings.host_ownership,
        has_environment_provider=settings.jwks_url is not None,
    )


def make_renderer(
    config: Path,
    rendered: Path,
    operator_settings: OperatorSettings,
    settings: Settings,
    clock: Callable[[], float] = time.time,
) -> Renderer:
    """The operator's half: files in, rendered files out."""
    source = FileSource(config, operator_settings.root_namespace)
    options = translate_options(operator_settings, settings)
    return Renderer(source, DirectorySink(rendered), options, clock)


async def _serve(settings: Settings, renderer: Renderer, rendered: Path, public: Address, admin: Address) -> None:
    plane = DataPlane(settings, rendered / "routes.yaml", public, admin)
    plane.drain_on_signals()
    await plane.run(beside=(renderer.run,))
