"""Writes the reference pages that are made from code: outcomes, configuration, metrics, what is not built yet."""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from wsgate_dataplane.outcomes.table import OUTCOMES
from wsgate_dataplane.settings import NOT_ACTED_ON, SECRETS, Settings
from wsgate_dataplane.telemetry.metrics import Metrics
from wsgate_operator.settings import OperatorSettings
from wsgate_operator.translate.unsupported import IGNORED, REFUSED

REFERENCE = Path(__file__).parent / "reference"
COMMAND = "python docs/generate.py"
NOTICE = f"<!-- Made by `{COMMAND}`; change the code it is made from, then run that. -->"
LABEL_VALUES_SHOWN_MAX = 4

OUTCOMES_INTRO = """\
Every refusal and every close has one reason from this closed table. It stands in the log line, in the label
`reason` of the metrics and, before the 101, in the body of the answer (RFC 9457, `type` is
`urn:wsgate:outcome:<reason>`). A hyphen means that the reason cannot occur there; the close code of a peer passes
through unchanged. The MQTT codes are for the MQTT sessions of a later version."""

CONFIGURATION_INTRO = """\
Each process reads its environment once, at the start; a change needs a restart. An empty value counts as unset.
All faults are reported at once, one line each. A setting marked *secret* may instead be read from the file that
`<NAME>_FILE` names, and its value is never printed. A route's own field wins over the environment."""

OPERATOR_INTRO = "`wsgate standalone` reads these too: it holds the operator's translation and the data plane."

NOT_YET_INTRO = """\
Fields of a WsRoute's spec that this version does not act on. Where ignoring one would make a session less strict
than it was asked to be, the route is refused."""

METRICS_INTRO = """\
Served at `/metrics` of the admin listener. The first thirteen keep the names of the original gateway. Label
values come from closed sets and exist from the start, so that `rate()` sees the first event. Retries, circuit
breaker, health probes and rate limits do not exist in this version: their five families stay at zero."""


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    titles = list(header)
    lines = [titles, ["---"] * len(titles), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def page(title: str, *parts: str) -> str:
    """One Markdown page."""
    return "\n\n".join([f"# {title}", NOTICE, *parts]) + "\n"


def outcomes() -> str:
    """All rows of the outcomes table."""
    rows = (
        (
            f"`{reason}`",
            str(row.http or "-"),
            f"{row.close} `{row.words}`" if row.close else "-",
            f"0x{row.mqtt5:02X}" if row.mqtt5 else "-",
            str(row.mqtt311 or "-"),
            row.level,
            row.advice,
        )
        for reason, row in OUTCOMES.items()
    )
    header = ("Reason", "HTTP", "WebSocket close", "MQTT 5", "MQTT 3.1.1", "Level", "What to do")
    return page("Outcomes", OUTCOMES_INTRO, table(header, rows))


def configuration() -> str:
    """The settings of both components."""
    parts = [CONFIGURATION_INTRO, "## Data plane", settings_table(Settings)]
    parts += ["## Operator", OPERATOR_INTRO, settings_table(OperatorSettings)]
    return page("Configuration", *parts)


def settings_table(settings: type[BaseSettings]) -> str:
    """One row for each field of a settings class."""
    prefix = settings.model_config.get("env_prefix", "")
    rows = (
        (f"`{prefix}{name.upper()}`", default(field), allowed(field), meaning(settings, name, field))
        for name, field in settings.model_fields.items()
    )
    return table(("Name", "Default", "Allowed", "Meaning"), rows)


def default(field: FieldInfo) -> str:
    """A field's default as it would be written in the environment."""
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is None or value in ((), ""):
        return "unset"
    return f"`{','.join(map(str, value)) if isinstance(value, tuple) else value}`"


def allowed(field: FieldInfo) -> str:
    """A field's choices or bounds."""
    if get_origin(field.annotation) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(field.annotation))
    bounds: dict[str, Any] = {}
    for constraint in field.metadata:
        bounds |= {key: getattr(constraint, key) for key in ("ge", "le") if hasattr(constraint, key)}
    return f"{bounds['ge']} to {bounds['le']}" if {"ge", "le"} <= bounds.keys() else ""


def meaning(settings: type[BaseSettings], name: str, field: FieldInfo) -> str:
    """A field's description, and what else there is to know of it."""
    text = field.description or ""
    if settings is Settings and name in SECRETS:
        text = text.replace("Secret.", "*Secret.*")
    if settings is Settings and name in NOT_ACTED_ON:
        text += f" *Not acted on yet: {NOT_ACTED_ON[name]}.*"
    return text


def metrics() -> str:
    """Every metric family with its labels."""
    rows = []
    for family in Metrics().registry.collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        values: dict[str, list[str]] = {}
        for sample in family.samples:
            for label, value in sample.labels.items():
                values.setdefault(label, []).append(value)
        values.pop("le", None)
        rows.append(
            (f"`{name}`", family.type, "; ".join(map(label_text, values, values.values())), family.documentation)
        )
    return page("Metrics", METRICS_INTRO, table(("Name", "Type", "Labels", "Meaning"), rows))


def not_yet() -> str:
    """What translate refuses, and what it ignores with a warning."""
    header = ("Field", "Until then")
    parts = [NOT_YET_INTRO]
    for title, features in (("Refused", REFUSED), ("Ignored with a warning", IGNORED)):
        rows = [(f"`{each.field}`", each.advice) for each in features]
        parts += [f"## {title}", table(header, rows)]
    return page("Not yet", *parts)


def label_text(label: str, values: list[str]) -> str:
    """A label with its values where they are few."""
    if len(values) > LABEL_VALUES_SHOWN_MAX:
        return f"`{label}` (see [outcomes](outcomes.md))"
    return f"`{label}`: {', '.join(f'`{value}`' for value in values)}"


def main(arguments: list[str]) -> int:
    """Write the pages, or with --check compare them; 1 where one differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail where a page is not up to date")
    is_check = parser.parse_args(arguments).check
    pages = {
        "outcomes.md": outcomes(),
        "configuration.md": configuration(),
        "metrics.md": metrics(),
        "not-yet.md": not_yet(),
    }
    stale = []
    for name, text in pages.items():
        file = REFERENCE / name
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            stale.append(f"docs/reference/{name}")
            if not is_check:
                file.write_text(text, encoding="utf-8")
    if is_check and stale:
        sys.stderr.write(f"not up to date: {', '.join(stale)}; run: {COMMAND}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
