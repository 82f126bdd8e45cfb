"""kubectl wsgate: ask every data-plane pod of a gateway, act on them, and grant the gateway a Secret."""

import argparse
import signal
import sys
from collections.abc import Callable, Sequence

from wsgate_cli.plugin.flags import FlagError, Once, PluginParser, add_kubectl_arguments
from wsgate_cli.plugin.kubectl import KubectlError
from wsgate_cli.plugin.secret_grant import Grant, to_yaml

PROGRAM = "kubectl wsgate"
LISTINGS = {
    "sessions": ("list open sessions", ("--sub", "--jti", "--route")),
    "routes": ("list the routes that the pods serve", ("--route",)),
    "revocations": ("list the revocations that the pods know", ("--sub", "--jti", "--id")),
    "refusals": ("list the last refused clients, newest first", ("--request-id", "--sub")),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """0 done; 1 a pod did not answer, or the answer is no; 2 flags or credentials that cannot be used."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["create-revocation"]:
        from wsgate_cli import kubectl_create_tokenrevocation

        return kubectl_create_tokenrevocation.main(words[1:], f"{PROGRAM} create-revocation")
    if words[:1] == ["grant-secret"]:
        return _grant_secret(make_parser().parse_args(words))
    return _run(make_parser().parse_args(words))


def run_process() -> int:
    """main() of a process of its own: SIGTERM too leaves no port-forward behind."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    return main()


def _grant_secret(options: argparse.Namespace) -> int:
    """Prints; kubectl applies, with the rights of whoever runs it."""
    grant = Grant(
        secret=options.secret,
        namespace=options.namespace,
        gateway_name=options.gateway_name or "wsgate",
        operator_namespace=options.operator_namespace or "wsgate-system",
        service_account=options.service_account or "wsgate-operator",
    )
    try:
        print(to_yaml(grant), end="")
    except FlagError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _run(options: argparse.Namespace) -> int:
    # Only now: --help and mistyped flags are answered without loading what asks the pods.
    from wsgate_cli.plugin import commands
    from wsgate_cli.plugin.pods import NoPods
    from wsgate_cli.plugin.ways import Unusable

    run: Callable[[argparse.Namespace], int] = getattr(commands, options.run)
    try:
        return run(options)
    except Unusable as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (KubectlError, NoPods) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def make_parser() -> PluginParser:
    """The commands and their flags; run names the function."""
    parser = PluginParser(prog=PROGRAM, description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, run: str, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=f"{text.capitalize()}.")
        command.set_defaults(run=run)
        return command

    for name, (text, filters) in LISTINGS.items():
        _add_listing(add(name, "show", text), filters)
    _add_why(add("why", "why", "say why a client was refused, and what to do"))
    _add_close(add("close", "close", "close single sessions; their tokens stay good"))
    _add_revoke(add("revoke", "revoke", "revoke at once, without an object, for the time that events are kept"))
    grant = "print what lets the gateway read one Secret, for kubectl apply -f -"
    _add_grant(commands.add_parser("grant-secret", help=grant, description=f"{grant.capitalize()}."))
    commands.add_parser("create-revocation", help="the same as kubectl create tokenrevocation")
    return parser


def _add_listing(command: argparse.ArgumentParser, filters: Sequence[str]) -> None:
    for flag in filters:
        command.add_argument(flag, action=Once, help="only what has exactly this")
    command.add_argument("--limit", action=Once, metavar="N", help="at most so many of each pod (1000)")
    command.add_argument("-o", "--output", choices=("wide", "json", "yaml"), action=Once, help="how it is printed")
    _add_ways(command)


def _add_why(command: argparse.ArgumentParser) -> None:
    command.add_argument("request_id", metavar="REQUEST_ID", nargs="?", help="X-Request-Id of the refused request")
    command.add_argument("--sub", action=Once, help="instead: the last refusals of this subject")
    command.add_argument("-o", "--output", choices=("json", "yaml"), action=Once, help="how it is printed")
    _add_ways(command)


def _add_close(command: argparse.ArgumentParser) -> None:
    command.add_argument("sessions", metavar="POD/UID", nargs="+", help="as the column SESSION shows it")
    _add_ways(command)


def _add_revoke(command: argparse.ArgumentParser) -> None:
    command.add_argument("--sub", action=Once, required=True, help="alone: a kick, newer logins are good")
    command.add_argument("--jti", action=Once, help="only the token with this jti claim")
    command.add_argument("--iss", action=Once, help="only of this issuer")
    command.add_argument("-o", "--output", choices=("json", "yaml"), action=Once, help="how it is printed")
    _add_ways(command)


def _add_grant(command: argparse.ArgumentParser) -> None:
    command.add_argument("secret", metavar="NAME", help="the Secret, as clientCertificateRef names it")
    command.add_argument("-n", "--namespace", action=Once, help="of the Secret and its routes (kubectl's own)")
    command.add_argument("--gateway-name", action=Once, help="which gateway (wsgate)")
    command.add_argument("--operator-namespace", action=Once, help="where its operator is (wsgate-system)")
    command.add_argument("--service-account", action=Once, help="the operator's (wsgate-operator)")


def _add_ways(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("which pods, and how")
    group.add_argument("-n", "--namespace", action=Once, help="where the pods are (wsgate-system)")
    group.add_argument("--gateway-name", action=Once, help="whose pods (wsgate)")
    group.add_argument(
        "--admin-url",
        action="append",
        default=[],
        metavar="URL",
        help="ask here, repeatable; default: all pods, by kubectl port-forward",
    )
    group.add_argument(
        "--admin-token-file",
        action=Once,
        metavar="FILE",
        help="default: the file that WSGATE_ADMIN_TOKEN_FILE names, then key token of Secret <gateway>-admin",
    )
    add_kubectl_arguments(command)


if __name__ == "__main__":
    sys.exit(run_process())
