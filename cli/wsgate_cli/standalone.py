"""wsgate standalone: both components in one process, from a folder of YAML."""

import argparse
import logging
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from wsgate_contract.address import Address
from wsgate_dataplane.__main__ import add_listen_arguments, run_until_stopped
from wsgate_dataplane.admin.journal import JournalError, RevocationJournal, default_state_folder
from wsgate_dataplane.server import DataPlane, raise_descriptor_limit
from wsgate_dataplane.settings import Settings, SettingsError
from wsgate_dataplane.snapshot.threads import in_thread
from wsgate_dataplane.telemetry.log import configure
from wsgate_operator.renderer import FirstLoadError, Renderer
from wsgate_operator.settings import OperatorSettings
from wsgate_operator.sinks.directory import SECRETS_FOLDER, DirectorySink
from wsgate_operator.sources.files import FileSource
from wsgate_operator.sources.secret_folders import SecretFolders
from wsgate_operator.translate.options import Options

HELP = "serve the routes of a folder of YAML, or of the original gateway's routes file"

log = logging.getLogger("wsgate")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_config_argument(parser)
    add_listen_arguments(parser, "127.0.0.1:9090", "liveness, readiness, metrics, admin API (%(default)s)")
    parser.add_argument(
        "--state-dir",
        type=Path,
        metavar="DIR",
        help="where revocations by the admin API are kept; default: below $XDG_STATE_HOME",
    )


def add_config_argument(parser: argparse.ArgumentParser) -> None:
    """Declare what says where the objects are: --config and --secrets-dir."""
    parser.add_argument(
        "--config",
        type=Path,
        metavar="PATH",
        help="a folder of YAML objects, or one routes file; default: ROUTE_FILE, /etc/ws-gw/routes.yaml",
    )
    parser.add_argument(
        "--secrets-dir",
        type=Path,
        metavar="DIR",
        help="where clientCertificateRef is looked up: DIR/NAME/tls.crt and tls.key; of a route outside the root "
        "namespace, DIR/NAMESPACE/NAME/",
    )


def run(options: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT; 2 where settings or files cannot be used."""
    configure(sys.stderr)
    raise_descriptor_limit()
    try:
        settings, operator_settings = load_settings()
        with tempfile.TemporaryDirectory(prefix="wsgate-") as folder:
            config = options.config or settings.route_file
            renderer = make_renderer(config, Path(folder), operator_settings, settings, options.secrets_dir)
            renderer.render()
            settings = with_secrets_of(Path(folder), settings)
            with _journal(settings, options.state_dir or default_state_folder(os.environ)) as journal:
                listeners = (options.listen, options.admin_listen)
                run_until_stopped(lambda: _serve(settings, renderer, Path(folder), listeners, journal))
    except (SettingsError, FirstLoadError, JournalError, OSError) as error:
        return _cannot_start(error)
    return 0


@contextmanager
def _journal(settings: Settings, folder: Path) -> Iterator[RevocationJournal | None]:
    """Without an admin token nothing can enter, yet what entered before stays in force."""
    if settings.wsgate_admin_token is None and not folder.exists():
        yield None
        return
    journal = RevocationJournal.open(folder, time.time)
    try:
        yield journal
    finally:
        journal.close()


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
    is_for_cache = settings.jwt_cache_store == "redis"
    if settings.wsgate_revocation_redis_url or (settings.redis_url and not is_for_cache):
        detail = "REDIS_URL: not acted on by wsgate standalone, which is one process and needs to share nothing"
        log.warning("setting", extra={"fields": {"detail": detail}})
    if settings.wsgate_secrets_dir:
        detail = "WSGATE_SECRETS_DIR: not acted on by wsgate standalone, which takes --secrets-dir"
        log.warning("setting", extra={"fields": {"detail": detail}})
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
        rate_limit_per_second=settings.rate_limit_per_second,
        rate_limit_burst=settings.rate_limit_burst,
    )


def make_renderer(
    config: Path,
    rendered: Path,
    operator_settings: OperatorSettings,
    settings: Settings,
    secrets_dir: Path | None = None,
    clock: Callable[[], float] = time.time,
) -> Renderer:
    """The operator's half: files in, rendered files out."""
    root_namespace = operator_settings.root_namespace
    source = FileSource(config, root_namespace)
    secrets = SecretFolders(secrets_dir, root_namespace)
    options = translate_options(operator_settings, settings)
    return Renderer(source, DirectorySink(rendered), options, clock, secrets)


def with_secrets_of(rendered: Path, settings: Settings) -> Settings:
    """For the data plane's half, which finds certificates beside the rendered files."""
    return settings.model_copy(update={"wsgate_secrets_dir": rendered / SECRETS_FOLDER})


async def _serve(
    settings: Settings,
    renderer: Renderer,
    rendered: Path,
    listeners: tuple[Address, Address],
    journal: RevocationJournal | None,
) -> None:
    plane = DataPlane(settings, rendered / "routes.yaml", *listeners, journal, uses_redis=False)
    plane.drain_on_signals()
    await plane.run(beside=(following(renderer, plane),))


def following(renderer: Renderer, plane: DataPlane) -> Callable[[], Awaitable[None]]:
    """What runs beside the data plane: each look at the files confirms what they revoke."""
    return lambda: renderer.run(in_thread, plane.confirm_file)
