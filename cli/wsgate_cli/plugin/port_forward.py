"""A way to one pod's port that lasts as long as it is needed."""

import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer
from typing import IO

from wsgate_cli.plugin.admin_client import AdminError
from wsgate_cli.plugin.kubectl import Kubectl

READY_SECONDS_MAX = 10.0
STOP_SECONDS_MAX = 2.0

_READY = re.compile(r"Forwarding from 127\.0\.0\.1:([0-9]+) ->")


@contextmanager
def port_forward(kubectl: Kubectl, namespace: str, pod: str, port: int) -> Iterator[str]:
    """The URL of a free local port; raises AdminError with kubectl's own words, also for what fails meanwhile."""
    command = kubectl.command(
        "port-forward", f"--namespace={namespace}", "--address=127.0.0.1", f"pod/{pod}", f":{port}"
    )
    with tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, encoding="utf-8"
            )
        except OSError as error:
            raise AdminError(f"{kubectl.program}: {error.strerror}") from None
        try:
            yield f"http://127.0.0.1:{_local_port(process)}"
        except AdminError as error:
            # An answer of the pod needs no words of kubectl's.
            said = "" if error.status is not None else _last_line(errors)
            raise AdminError(f"{error}; kubectl: {said}" if said else str(error), error.status) from None
        finally:
            _stop(process)


def _local_port(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    timer = Timer(READY_SECONDS_MAX, process.kill)
    timer.start()
    try:
        for line in process.stdout:
            if found := _READY.match(line):
                return int(found[1])
    finally:
        timer.cancel()
    raise AdminError("kubectl port-forward does not reach it")


def _last_line(errors: IO[bytes]) -> str:
    errors.seek(0)
    lines = errors.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    assert process.stdout is not None
    process.stdout.close()
