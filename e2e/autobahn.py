"""Autobahn's fuzzingclient: what it makes of a WebSocket server that echoes."""

import asyncio
import json
from pathlib import Path
from typing import NamedTuple

CASES = ("1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*", "12.1.1")
"""Framing, control frames, reserved bits and opcodes, fragments, UTF-8, closing, and one case of compression.

Left out are the minutes of load: large messages and the other cases of compression.
"""
CASES_MIN = 248
"""What these patterns stand for in the suite: fewer, and it has left some out."""
RUN_SECONDS = 120.0
AGENT = "echo"


class Verdict(NamedTuple):
    """How the server behaved in one case, and how it closed the connection."""

    behavior: str
    close: str


async def verdicts(suite: Path, url: str, folder: Path) -> dict[str, Verdict]:
    """Run all CASES against the server at url; suite: the part autobahn, folder: for the reports."""
    command = (suite / "bin/wstest", "-m", "fuzzingclient", "-s", _write_spec(url, folder))
    log = folder / "wstest.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(*command, cwd=folder, stdout=output, stderr=output)
        try:
            async with asyncio.timeout(RUN_SECONDS):
                status = await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    assert status == 0, log.read_text(errors="replace")
    return _read_verdicts(folder)


def _write_spec(url: str, folder: Path) -> Path:
    folder.mkdir()
    spec = {
        "options": {"failByDrop": False},
        "outdir": str(folder),
        "servers": [{"agent": AGENT, "url": url, "options": {"version": 18}}],
        "cases": CASES,
        "exclude-cases": [],
        "exclude-agent-cases": {},
    }
    path = folder / "spec.json"
    path.write_text(json.dumps(spec))
    return path


def _read_verdicts(folder: Path) -> dict[str, Verdict]:
    cases = json.loads((folder / "index.json").read_text())[AGENT]
    return {
        case: Verdict(_plain(found["behavior"]), _plain(found["behaviorClose"])) for case, found in cases.items()
    }


def _plain(verdict: str) -> str:
    """Whether an early failure was seen early is a matter of how the bytes were cut."""
    return "OK" if verdict == "NON-STRICT" else verdict
