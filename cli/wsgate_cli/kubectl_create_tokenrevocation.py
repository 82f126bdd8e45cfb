"""kubectl create tokenrevocation: end tokens from the command line."""

import argparse
import json
import re
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from wsgate_cli.durations import duration_seconds
from wsgate_cli.plugin.flags import FlagError, Once, PluginParser, add_kubectl_arguments, kubectl_flags
from wsgate_cli.plugin.kubectl import Kubectl, KubectlError

if TYPE_CHECKING:
    from wsgate_cli.plugin.revocation_object import Wanted

PROGRAM = "kubectl create tokenrevocation"
DESCRIPTION = """Create a TokenRevocation: matching tokens are refused, and their open sessions closed.

All matchers that are given must match. Flags follow the name."""
EXAMPLES = """examples:
  # Kick: end what alice has now; she may log in again
  kubectl create tokenrevocation alice-lost-her-phone --subject alice --reason "Compromised:ticket 4711"

  # Ban: end what alice has now and whatever she is given later, for a day
  kubectl create tokenrevocation alice-is-out --subject alice --ban --for 24h

  # End one token whose jti is known
  kubectl create tokenrevocation --jti 7c0e9a --issuer https://id.example.com

  # End the token in a file, until it would have expired anyway
  kubectl create tokenrevocation leaked --token-file - < token.txt

  # Show what would be created
  kubectl create tokenrevocation test --claim tenant=acme --dry-run=client -o yaml
"""
CREATED = re.compile(r"^tokenrevocation\.wsgate\.dev/(\S+) created", re.MULTILINE)


def main(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """kubectl's own exit status; 2 for flags that cannot be used."""
    options = make_parser(program).parse_args(sys.argv[1:] if arguments is None else arguments)
    try:
        return _create(options)
    except (FlagError, KubectlError) as error:
        for line in str(error).splitlines():
            print(f"error: {line}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def make_parser(program: str = PROGRAM) -> PluginParser:
    """The flags."""
    parser = PluginParser(prog=program, description=DESCRIPTION, epilog=EXAMPLES)
    parser.add_argument(
        "name", metavar="NAME", nargs="?", help="of the object; left out: revocation- and five letters"
    )
    _add_matchers(parser.add_argument_group("what is revoked, at least one"))
    _add_bounds(parser.add_argument_group("until when, and why"))
    group = parser.add_argument_group("where, and what is printed")
    group.add_argument(
        "-n", "--namespace", action=Once, help="its routes are touched; the root namespace: all routes"
    )
    group.add_argument("--gateway-name", action=Once, help="the gateway that acts on it (wsgate)")
    group.add_argument(
        "--dry-run",
        nargs="?",
        const="client",
        type=_dry_run,
        action=Once,
        metavar="none|client|server",
        help="create nothing",
    )
    group.add_argument("-o", "--output", action=Once, metavar="yaml|json|name", help="print the object")
    add_kubectl_arguments(parser)
    return parser


def _add_matchers(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--jti", action=Once, help="the token with this jti claim")
    group.add_argument(
        "--subject", action=Once, metavar="SUB", help="kick: all of this subject that was issued so far"
    )
    group.add_argument("--ban", action="store_true", help="with --subject: also what is issued later")
    group.add_argument(
        "--session-id", action=Once, metavar="SID", help="one login: all tokens with this sid claim"
    )
    group.add_argument(
        "--token-file",
        action=Once,
        metavar="FILE",
        help="the token in this file, - for standard input; ends with it",
    )
    group.add_argument("--claim", action=Once, metavar="PATH=VALUE", help="all with this claim")
    group.add_argument(
        "--issuer", action=Once, metavar="ISS", help="only of this issuer; alone with --issued-before"
    )
    group.add_argument(
        "--issued-before", action=Once, metavar="TIME", help="only tokens issued until then; now, or RFC 3339"
    )


def _add_bounds(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--for", dest="lasts", type=duration_seconds, action=Once, metavar="24h", help="in force for so long"
    )
    group.add_argument(
        "--expires-at", action=Once, metavar="TIME", help="in force until then, RFC 3339; default: while it exists"
    )
    group.add_argument(
        "--reason",
        action=Once,
        metavar="CODE[:TEXT]",
        help="for people; CODE is Unspecified, Logout, Compromised, CredentialChanged, AccountDisabled or "
        "PrivilegeWithdrawn",
    )


def _dry_run(text: str) -> str:
    if text not in ("none", "client", "server"):
        raise argparse.ArgumentTypeError("write --dry-run=none, --dry-run=client or --dry-run=server")
    return text


def _create(options: argparse.Namespace) -> int:
    # Only now: --help and mistyped flags are answered without loading the models.
    from wsgate_cli.plugin.revocation_object import to_document

    manifest = json.dumps(to_document(read_wanted(options), time.time()))
    kubectl = Kubectl.find(kubectl_flags(options))
    where = () if options.namespace is None else (f"--namespace={options.namespace}",)
    return _hand_over(kubectl, manifest, where, options)


def read_wanted(options: argparse.Namespace) -> "Wanted":
    """What the flags ask for; raises FlagError where the token cannot be read."""
    from wsgate_cli.plugin.held_token import HeldToken
    from wsgate_cli.plugin.revocation_object import Wanted

    return Wanted(
        name=options.name,
        namespace=options.namespace,
        jti=options.jti,
        subject=options.subject,
        is_ban=options.ban,
        session_id=options.session_id,
        token=HeldToken.read(options.token_file) if options.token_file is not None else None,
        claim=options.claim,
        issuer=options.issuer,
        issued_before=options.issued_before,
        lasts=options.lasts,
        expires_at=options.expires_at,
        reason=options.reason,
        gateway_name=options.gateway_name,
    )


def _hand_over(kubectl: Kubectl, manifest: str, where: tuple[str, ...], options: argparse.Namespace) -> int:
    chosen = {"dry-run": options.dry_run, "output": options.output}
    how = tuple(f"--{name}={value}" for name, value in chosen.items() if value is not None)
    is_watched = options.dry_run in (None, "none") and options.output is None
    status, printed = kubectl.create(manifest, *where, *how, is_captured=is_watched)
    print(printed, end="", flush=True)
    created = CREATED.search(printed)
    if status == 0 and created is not None:
        from wsgate_cli.plugin.aftermath import watch

        is_now = options.issued_before in (None, "now")
        for warning in watch(kubectl, created[1], where, is_now=is_now):
            print(f"warning: tokenrevocation/{created[1]}: {warning}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
