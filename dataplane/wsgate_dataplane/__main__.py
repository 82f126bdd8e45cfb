"""python -m wsgate_dataplane: one pod's data plane, on the rendered files at ROUTE_FILE and on Redis."""

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import uvloop

from wsgate_contract.address import Address
from wsgate_dataplane.server import DataPlane, raise_descriptor_limit
from wsgate_dataplane.settings import Settings, SettingsError
from wsgate_dataplane.telemetry.log import configure
from wsgate_dataplane.upstreams.resolve import Destinations

log = logging.getLogger("wsgate")


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; 2 where settings or listeners cannot be used."""
    options = _parser().parse_args(arguments)
    configure(sys.stderr)
    raise_descriptor_limit()
    try:
        settings = Settings.load(os.environ)
        for warning in settings.warnings(os.environ):
            log.warning("setting", extra={"fields": {"detail": warning}})
        run_until_stopped(lambda: _serve(settings, options.listen, options.admin_listen))
    except (SettingsError, OSError) as error:
        sys.stderr.write(f"wsgate_dataplane: cannot start\n{error}\n")
        return 2
    return 0


def add_listen_arguments(parser: argparse.ArgumentParser, admin_listen: str, admin_help: str) -> None:
    """Declare --listen and --admin-listen."""
    parser.add_argument(
        "--listen", type=_address, default=":8080", metavar="HOST:PORT", help="public listener (%(default)s)"
    )
    parser.add_argument(
        "--admin-listen", type=_address, default=admin_listen, metavar="HOST:PORT", help=admin_help
    )


def run_until_stopped(serve: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a data plane on uvloop; raises OSError that says what to do where it cannot listen."""
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve())
    except ExceptionGroup as group:
        listening, other = group.split(OSError)
        if listening is None or other is not None:
            raise
        fault = listening.exceptions[0]
        raise OSError(f"{fault}; choose others with --listen and --admin-listen") from group


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m wsgate_dataplane",
        description="Serve the rendered routes.yaml at ROUTE_FILE, with revocations.yaml beside it.",
    )
    add_listen_arguments(parser, ":9090", "liveness, readiness, metrics and the admin API (%(default)s)")
    return parser


def _address(text: str) -> Address:
    """For argparse, hence its error."""
    try:
        return Address.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


async def _serve(settings: Settings, public: Address, admin: Address) -> None:
    destinations = Destinations.in_cluster(settings, os.environ)
    plane = DataPlane(settings, settings.route_file, public, admin, destinations=destinations)
    plane.drain_on_signals()
    await plane.run()


if __name__ == "__main__":
    sys.exit(main())
