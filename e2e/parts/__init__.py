"""Real counterparts of the gateway: test suites, browsers, identity providers and servers that others wrote."""

import subprocess
from pathlib import Path

HERE = Path(__file__).parent


class MissingPart(Exception):
    """A part could not be fetched or built; the text says what this machine lacks."""


def get(name: str) -> Path:
    """The folder of a part, fetched or built where it is missing, with progress on stderr; raises MissingPart."""
    found = subprocess.run(["bash", str(HERE / "get.sh"), name], stdout=subprocess.PIPE, text=True)
    if found.returncode:
        raise MissingPart(f"the part {name}: {found.stdout.strip() or 'its script failed, see above'}")
    return Path(found.stdout.strip())
