"""What `wsgate migrate` writes: objects that kubectl and wsgate read alike, an env file, and what to tell."""

import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import yaml

PLAIN_TEXT = re.compile(r"/?[A-Za-z][A-Za-z0-9_./-]*")
NOT_TEXT_EVERYWHERE = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
"""kubectl reads these bare words as something else than text."""
OBJECTS_FILE, ENVIRONMENT_FILE = "routes.yaml", "wsgate.env"
HEADER = "# Made by `wsgate migrate`; it is yours to change from here on.\n"


class _Dumper(yaml.SafeDumper):
    """Quotes every text that two readers of YAML might take for different things."""

    def ignore_aliases(self, data: Any) -> bool:
        """Anchors are for machines."""
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    is_plain = PLAIN_TEXT.fullmatch(text) and text.lower() not in NOT_TEXT_EVERYWHERE
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if is_plain else '"')


# A class's table of representers is filled by a call everywhere else, which would be work at import.
_Dumper.yaml_representers = {**yaml.SafeDumper.yaml_representers, str: cast(Any, _represent_text)}


def objects_text(documents: Sequence[Mapping[str, Any]]) -> str:
    """All documents as one YAML stream; an empty list of them is one that wsgate takes for no routes."""
    if not documents:
        return HEADER + "[]\n"
    texts = (yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=10**6) for document in documents)
    return HEADER + "---\n".join(texts)


def environment_text(plain: Mapping[str, str], secret_names: Sequence[str]) -> str:
    """NAME=value lines for Docker, Compose and systemd; of secrets the name alone, in a comment."""
    lines = [f"{name}={value}" for name, value in plain.items()]
    lines += [f"# {name}: secret, not copied here" for name in secret_names]
    return HEADER + "".join(f"{line}\n" for line in lines)


def write_whole(path: Path, text: str) -> None:
    """Replace a file at once, so that a reader sees all or nothing; raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(draft, 0o644)
        os.replace(draft, path)
    except OSError:
        Path(draft).unlink(missing_ok=True)
        raise
