"""A token that somebody holds and wants dead: its hash and its end, never its text."""

import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from wsgate_cli.plugin.flags import FlagError
from wsgate_dataplane.identity.compact import TOKEN_BYTES_MAX, parse_compact
from wsgate_dataplane.outcomes.refusal import Refused

LEEWAY_SECONDS_MAX = 300
"""The most that a route may grant after exp (auth.expiry.leewaySeconds)."""
CLOCK_SECONDS_MAX = 300
"""How far the clocks of the pods may be behind that of this machine."""


@dataclass(frozen=True)
class HeldToken:
    """What a revocation needs of a token; expires_at in Unix seconds, None where it names no end."""

    sha256: str
    expires_at: int | None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Hashes as the gateway does; raises FlagError, which does not show the token."""
        try:
            token = parse_compact(text.strip().removeprefix("Bearer ").lstrip())
        except Refused as refused:
            raise FlagError(
                f"--token-file: not a token: {refused.detail}; give header.payload.signature alone, as the client "
                "sends it"
            ) from None
        return cls(token.sha256, _seconds(token.payload.get("exp")))

    @classmethod
    def read(cls, path: str) -> Self:
        """From a file, - for standard input; raises FlagError."""
        try:
            # One more than allowed is enough to know that it is too long.
            limit = TOKEN_BYTES_MAX + 1024
            if path == "-":
                data = sys.stdin.buffer.read(limit)
            else:
                with Path(path).open("rb") as file:
                    data = file.read(limit)
            return cls.parse(data.decode("ascii"))
        except OSError as error:
            raise FlagError(f"--token-file: cannot read it: {error.strerror or error}") from None
        except ValueError:
            raise FlagError("--token-file: not a token: it holds other characters than ASCII") from None

    def safe_end(self, now: float) -> int | None:
        """When no pod can admit the token any more, in Unix seconds; None: never.

        Counted from now where the token has expired already: its session may live on (auth.expiry.mode: Session).
        """
        if self.expires_at is None:
            return None
        return max(self.expires_at, math.ceil(now)) + LEEWAY_SECONDS_MAX + CLOCK_SECONDS_MAX


def _seconds(exp: object) -> int | None:
    if isinstance(exp, bool) or not isinstance(exp, int | float) or not math.isfinite(exp):
        return None
    return math.ceil(exp)
