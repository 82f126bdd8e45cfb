"""wsgate check: would this client be admitted, step by step, by the gateway's own admission."""

import argparse
import asyncio
import sys
import time
from pathlib import Path
from typing import NamedTuple

from wsgate_cli.standalone import add_config_argument, load_settings, translate_options
from wsgate_contract.route import Route, TokenSource
from wsgate_dataplane.handshake.admission import Admission
from wsgate_dataplane.handshake.request import Request
from wsgate_dataplane.handshake.serving import Catalogue, Certificates, build_catalogue
from wsgate_dataplane.identity.provider import Providers
from wsgate_dataplane.identity.sources import BEARER, Credential, message_token, password_token
from wsgate_dataplane.outcomes.refusal import Refused
from wsgate_dataplane.protocols.detect import MQTT_SUBPROTOCOLS, in_band, protocol_of
from wsgate_dataplane.revocation.view import RevocationView
from wsgate_dataplane.settings import Settings, SettingsError
from wsgate_dataplane.snapshot.files import RoutesFile
from wsgate_dataplane.telemetry.log import configure
from wsgate_dataplane.upstreams.tls import ClientCertificate
from wsgate_operator.settings import OperatorSettings
from wsgate_operator.sources.files import FileSource
from wsgate_operator.sources.secret_folders import SecretFolders
from wsgate_operator.translate.holdings import Holdings, copies_of, refs_of, states_of
from wsgate_operator.translate.translate import Translation, translate

SOURCES: tuple[TokenSource, ...] = ("Header", "Cookie", "Query", "SubProtocol", "MQTTPassword", "FirstMessage")
HELP = "say whether a token would be admitted on a route, and print each step"


class Sent(NamedTuple):
    """The token and how the client sends it."""

    token: str
    source: TokenSource


class CheckError(Exception):
    """The question cannot be asked; the message says why."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("route", metavar="ROUTE", help="[namespace/]name of a route, or its prefix")
    add_config_argument(parser)
    parser.add_argument(
        "--token-file", required=True, metavar="FILE", help="file with the token, - for standard input"
    )
    parser.add_argument("--origin", help="the Origin header that a browser would send")
    parser.add_argument(
        "--source",
        choices=SOURCES,
        help="how the client sends the token (the first of these that the route takes)",
    )


def run(options: argparse.Namespace) -> int:
    """0 admitted, 1 refused, 2 the question cannot be asked."""
    configure(sys.stderr)
    try:
        settings, operator_settings = load_settings()
        config = options.config or settings.route_file
        translation, holdings = _translate(config, options.secrets_dir, settings, operator_settings)
        route = _find(options.route, translation.routes, operator_settings.root_namespace)
        token = _read_token(options.token_file)
    except (SettingsError, CheckError, OSError) as error:
        print(f"wsgate check: {error}", file=sys.stderr)
        return 2
    source = options.source or _usual_source(route)
    request = _request(route, token, settings, origin=options.origin, source=source)
    certificates = {id_: ClientCertificate.from_pem(pem) for id_, pem in copies_of(holdings).items()}
    return asyncio.run(_check(settings, translation, certificates, request, Sent(token, source)))


def _translate(
    config: Path, secrets_dir: Path | None, settings: Settings, operator_settings: OperatorSettings
) -> tuple[Translation, Holdings]:
    loaded = FileSource(config, operator_settings.root_namespace).load()
    if loaded.problems:
        raise CheckError("\n".join(str(problem) for problem in loaded.problems))
    options = translate_options(operator_settings, settings)
    secrets = SecretFolders(secrets_dir, operator_settings.root_namespace)
    holdings = secrets.look(refs_of(loaded.objects), time.time())
    certificates = states_of(holdings)
    translation = translate(loaded.objects, options, legacy=loaded.legacy, certificates=certificates)
    for verdict in translation.verdicts:
        if not verdict.accepted:
            print(f"! {verdict.kind} {verdict.key}: {verdict.reason}: {verdict.message}", file=sys.stderr)
    return translation, holdings


def _find(wanted: str, routes: tuple[Route, ...], root_namespace: str) -> Route:
    key = wanted if "/" in wanted.strip("/") else f"{root_namespace}/{wanted}"
    found = [route for route in routes if wanted == route.prefix or key == route.key]
    if len(found) != 1:
        known = ", ".join(f"{route.key} ({route.prefix})" for route in routes) or "none"
        problem = "no such route" if not found else "several routes have this prefix; give the name of one"
        raise CheckError(f"{wanted}: {problem}; accepted routes are: {known}")
    return found[0]


def _read_token(path: str) -> str:
    text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    return text.strip()


def _usual_source(route: Route) -> TokenSource:
    return next((each for each in SOURCES if each in route.auth.token_sources), SOURCES[0])


def _request(route: Route, token: str, settings: Settings, *, origin: str | None, source: TokenSource) -> Request:
    host = next((name.replace("*.", "check.") for name in route.hostnames), "check.invalid")
    headers, query = [("Host", host)], ""
    if source == "MQTTPassword":
        headers.append(("Sec-WebSocket-Protocol", MQTT_SUBPROTOCOLS[0]))
    elif token and source == "Query":
        query = f"access_token={token}"
    elif token and source != "FirstMessage":
        ways = {
            "Header": ("Authorization", f"Bearer {token}"),
            "Cookie": ("Cookie", f"{settings.jwt_cookie_name}={token}"),
            "SubProtocol": ("Sec-WebSocket-Protocol", f"{BEARER}{token}, real"),
        }
        headers.append(ways[source])
    if origin is not None:
        headers.append(("Origin", origin))
    return Request("GET", route.prefix, query, tuple(headers), "127.0.0.1", "check")


async def _check(
    settings: Settings, translation: Translation, certificates: Certificates, request: Request, sent: Sent
) -> int:
    now = time.time()
    file = RoutesFile(0, "", translation.routes, ())
    catalogue = build_catalogue(file, Catalogue(), settings, certificates=certificates)
    view = RevocationView()
    view.replace(translation.revocations)
    view.confirm("file", now)
    providers = Providers(ttl_seconds=settings.jwks_ttl_minutes * 60)
    admission = Admission(settings, providers, view)
    try:
        serving = admission.find_route(catalogue, request, _passed)
        credential = admission.find_credential(serving, request, now, _passed)
        await admission.admit(serving, credential or _in_band(serving.route, request, sent), now, _passed)
    except Refused as refused:
        print(f"REFUSED {refused.reason}: {refused.detail}")
        print(f"        {refused.outcome.advice}")
        return 1
    finally:
        await providers.close()
    print(f"ADMITTED to {serving.route.key}; the upstream is not dialled by this command")
    return 0


def _in_band(route: Route, request: Request, sent: Sent) -> Credential | None:
    """The token of a first message, where the route would wait for one."""
    if route.auth.mode == "Anonymous":
        return None
    protocol = protocol_of(route.protocol, request.items("sec-websocket-protocol"))
    if sent.token and in_band(route.protocol, protocol, route.auth.token_sources):
        if protocol == "mqtt" and sent.source == "MQTTPassword":
            return Credential(password_token(sent.token.encode()), sent.source, is_explicit=True)
        if protocol == "raw" and sent.source == "FirstMessage":
            return Credential(message_token(sent.token.encode()), sent.source, is_explicit=True)
    return None


def _passed(step: str, found: str) -> None:
    print(f"   ok   {step}: {found}")
