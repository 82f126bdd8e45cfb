"""wsgate token: a development token and the provider block that accepts it."""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import yaml

from wsgate_cli.devkey import DevelopmentKey, default_key_path, provider
from wsgate_cli.durations import duration_seconds

HELP = "print a development token and the auth.providers block that accepts it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--subject", default="alice", help="sub of the token (alice)")
    parser.add_argument(
        "--for", dest="seconds", type=duration_seconds, default=3600, metavar="1h", help="lifetime (1h)"
    )
    parser.add_argument(
        "--claim",
        action="append",
        default=[],
        metavar="NAME=JSON",
        help='a further claim, for example roles=["admin"]; repeatable',
    )
    parser.add_argument("--only", choices=("token", "provider", "jwks"), help="print nothing but this")
    parser.add_argument(
        "--key-file", type=Path, default=default_key_path(), help="where the key is kept (%(default)s)"
    )


def run(options: argparse.Namespace) -> int:
    """Print what was asked for; 2 where the input or the key cannot be used."""
    try:
        claims = dict(_claim(text) for text in options.claim)
        key, is_new = DevelopmentKey.load_or_create(options.key_file)
    except (OSError, ValueError) as error:
        print(f"wsgate token: {error}", file=sys.stderr)
        return 2
    if is_new:
        print(f"made a development key: {options.key_file}", file=sys.stderr)
    token = key.token({"sub": options.subject, **claims}, int(time.time()), options.seconds)
    block = yaml.safe_dump({"providers": [provider(key)]}, sort_keys=False, width=10**6)
    if options.only == "token":
        print(token)
    elif options.only == "provider":
        print(block, end="")
    elif options.only == "jwks":
        print(json.dumps(key.jwks()))
    else:
        print(f"# A token of subject {options.subject}, good for {options.seconds} s:\n{token}\n")
        indented = "".join(f"    {line}\n" for line in block.splitlines())
        print(f"# Paste below spec: of a WsRoute; for development only.\n  auth:\n{indented}", end="")
    return 0


def _claim(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ValueError(f"--claim: expected NAME=JSON, found {text!r}")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        # Bare words are meant as strings more often than they are broken JSON.
        return name, value
