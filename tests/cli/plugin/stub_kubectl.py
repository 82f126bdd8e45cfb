"""A program in kubectl's place: it records what it is given, and says what a test has told it to say."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROGRAM = """#!{python} -ISB
import json, os, sys, time
folder, arguments = {folder!r}, sys.argv[1:]
call = {{"arguments": arguments, "stdin": sys.stdin.read() if "-" in arguments else "", "pid": os.getpid()}}
with open(folder + "/calls", "a") as file:
    file.write(json.dumps(call) + "\\n")
with open(folder + "/answers") as file:
    answers = [json.loads(line) for line in file]
for answer in reversed(answers):
    if set(answer["words"]) <= set(arguments):
        break
else:
    sys.exit("stub: nothing to say to " + " ".join(arguments))
print(answer["err"], end="", file=sys.stderr, flush=True)
print(answer["out"], end="", flush=True)
time.sleep(answer["seconds"])
sys.exit(answer["status"])
"""


@dataclass(frozen=True)
class Call:
    """One run."""

    arguments: list[str]
    stdin: str
    pid: int

    @property
    def manifest(self) -> Any:
        """The JSON document that it was handed."""
        return json.loads(self.stdin)


class StubKubectl:
    """Its program is folder/kubectl."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.program = folder / "kubectl"
        self.program.write_text(PROGRAM.format(python=sys.executable, folder=str(folder)))
        self.program.chmod(0o755)
        (folder / "answers").touch()

    def says(self, words: str, out: str = "", err: str = "", status: int = 0, seconds: float = 0) -> None:
        """To a command line that holds all these words; what was told last counts."""
        answer = {"words": words.split(), "out": out, "err": err, "status": status, "seconds": seconds}
        with (self._folder / "answers").open("a") as file:
            file.write(json.dumps(answer) + "\n")

    @property
    def calls(self) -> list[Call]:
        """In their order."""
        path = self._folder / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        return [Call(**json.loads(line)) for line in lines]

    def called(self, word: str) -> list[Call]:
        """Those that begin with this word."""
        return [call for call in self.calls if call.arguments[0] == word]
