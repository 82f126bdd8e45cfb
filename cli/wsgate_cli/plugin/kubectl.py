"""The kubectl that is installed: it holds the credentials, so it speaks with the cluster."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import Self

CALL_SECONDS_MAX = 60.0
"""Of one question to the cluster; a login in a browser that kubectl waits for counts in."""


class KubectlError(Exception):
    """kubectl is missing, or did not do what it was asked; the message holds its own words."""


@dataclass(frozen=True)
class Kubectl:
    """A program and the flags that choose cluster and user."""

    program: str
    flags: tuple[str, ...] = ()

    @classmethod
    def find(cls, flags: tuple[str, ...] = ()) -> Self:
        """$KUBECTL, else the first on PATH; raises KubectlError."""
        wanted = os.environ.get("KUBECTL") or "kubectl"
        program = shutil.which(wanted)
        if program is None:
            raise KubectlError(f"{wanted}: no such program; install kubectl, or set KUBECTL to its path")
        return cls(program, flags)

    def command(self, *arguments: str) -> list[str]:
        """The whole command line."""
        return [self.program, *arguments, *self.flags]

    def output(self, *arguments: str, seconds: float = CALL_SECONDS_MAX) -> str:
        """What it prints; raises KubectlError."""
        try:
            done = subprocess.run(
                self.command(*arguments),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=seconds,
                encoding="utf-8",
                errors="replace",
            )
        except subprocess.TimeoutExpired:
            raise KubectlError(f"kubectl {arguments[0]}: no answer within {seconds:g} s") from None
        except OSError as error:
            raise KubectlError(f"{self.program}: {error.strerror}") from None
        if done.returncode != 0:
            raise KubectlError(f"kubectl {arguments[0]}: {done.stderr.strip() or f'status {done.returncode}'}")
        return done.stdout

    def create(self, manifest: str, *arguments: str, is_captured: bool) -> tuple[int, str]:
        """Run `kubectl create -f -`; its status, and what it printed where that was captured.

        stderr goes where ours goes; no time limit, since kubectl has its own. Raises KubectlError.
        """
        try:
            done = subprocess.run(
                self.command("create", "-f", "-", *arguments),
                input=manifest,
                stdout=subprocess.PIPE if is_captured else None,
                encoding="utf-8",
                errors="replace",
            )
        except OSError as error:
            raise KubectlError(f"{self.program}: {error.strerror}") from None
        # A signal's number is negative here; shells add it to 128.
        status = done.returncode if done.returncode >= 0 else 128 - done.returncode
        return status, done.stdout or ""
