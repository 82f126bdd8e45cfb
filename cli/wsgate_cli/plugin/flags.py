"""How the plugins read a command line: nothing is guessed, nothing is dropped, no token is shown."""

import argparse
import difflib
import re
from collections.abc import Sequence
from typing import Any, NoReturn

TOKEN_FLAG_ADVICE = (
    "every process of this machine sees a command line, so no token is taken from it; use --token-file FILE, "
    "or --token-file - for standard input"
)
_TOKEN = re.compile(r"eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")


class FlagError(Exception):
    """A flag cannot be used; the message names it and the way out, and never shows a token."""


def holds_token(text: str) -> bool:
    """Whether somewhere in the text there is what looks like a compact token."""
    return _TOKEN.search(text) is not None


class Once(argparse.Action):
    """Stores one value; a second one is an error, since argparse would silently forget the first."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        """Called by argparse."""
        if getattr(namespace, self.dest) is not None:
            parser.error(f"{option_string}: given twice; give it once, and run the command once for each value")
        setattr(namespace, self.dest, values)


class PluginParser(argparse.ArgumentParser):
    """Ends with status 2 and words that name the flag; it never repeats an argument that it does not know."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(**options, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Leave with status 2."""
        # argparse repeats a value that it refuses.
        message = _TOKEN.sub("<token>", message.removeprefix("argument "))
        self.exit(2, f"error: {message}\nSee '{self.prog} --help'.\n")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Like argparse's, but nothing may be left over; argparse calls it for the parser of a command too."""
        options, unknown = super().parse_known_args(args, namespace)
        if unknown:
            flags = [word.partition("=")[0] for word in unknown if word.startswith("-")]
            self.error(self._unknown(flags[0]) if flags else "one argument too many; quote values with spaces")
        return options, unknown

    def _unknown(self, flag: str) -> str:
        if flag == "--token":
            return f"--token: {TOKEN_FLAG_ADVICE}"
        known = [name for name in self._option_string_actions if name.startswith("--")]
        guess = difflib.get_close_matches(flag, known, n=1)
        return f"{flag}: no such flag" + (f"; did you mean {guess[0]}?" if guess else "")


def add_kubectl_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags that kubectl itself gets."""
    group = parser.add_argument_group("passed on to kubectl")
    for name in ("context", "kubeconfig", "cluster", "user", "as"):
        group.add_argument(
            f"--{name}", dest=f"kubectl_{name}", metavar=name.upper(), action=Once, help=f"as kubectl's --{name}"
        )


def kubectl_flags(options: argparse.Namespace) -> tuple[str, ...]:
    """The flags of add_kubectl_arguments that were given, as kubectl wants them."""
    given = {name: value for name, value in vars(options).items() if name.startswith("kubectl_")}
    return tuple(
        f"--{name.removeprefix('kubectl_')}={value}" for name, value in given.items() if value is not None
    )
