"""Writes what is made from something else: reference pages and .env.example from code, files of the manifests."""

import argparse
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from textwrap import indent, wrap
from typing import Any, Literal, get_args, get_origin

import yaml
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.metrics_core import Metric
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from wsgate_cli.migration.objects import route_document
from wsgate_contract.rendered import Content
from wsgate_contract.route import PREFIX_PATTERN, UPSTREAM_PATTERN, TokenSource
from wsgate_dataplane.outcomes.table import OUTCOMES, Reason
from wsgate_dataplane.settings import Settings
from wsgate_dataplane.telemetry.metrics import AUTH_REASONS, IN_BAND_REASONS, Metrics
from wsgate_operator.resources.crd import CHART_FILES
from wsgate_operator.resources.legacy import LegacyRoute
from wsgate_operator.settings import ClusterSettings, OperatorSettings
from wsgate_operator.sinks.revocation_log.plan import Damage
from wsgate_operator.telemetry.metrics import KINDS, Task
from wsgate_operator.telemetry.metrics import Metrics as OperatorMetrics
from wsgate_operator.translate.legacy import routes_of_legacy
from wsgate_operator.translate.options import Options
from wsgate_operator.translate.unsupported import REFUSED

ROOT = Path(__file__).parents[1]
OBSERVABILITY = ROOT / "manifests/observability"
COMMAND = "python docs/generate.py"
NOTICE = f"<!-- Made by `{COMMAND}`; change the code it is made from, then run that. -->"

OUTCOMES_INTRO = """\
Every refusal and every close has one reason from this closed table. It stands in the log line, in the label
`reason` of the metrics and, before the 101, in the body of the answer (RFC 9457, `type` is
`urn:wsgate:outcome:<reason>`). A hyphen means that the reason cannot occur there; the close code of a peer passes
through unchanged. An MQTT client gets its code first: as CONNACK where its CONNECT has not been answered, else, on
MQTT 5, as DISCONNECT."""

CONFIGURATION_INTRO = """\
Each process reads its environment once, at the start; a change needs a restart. An empty value counts as unset.
All faults are reported at once, one line each. A setting marked *secret* may instead be read from the file that
`<NAME>_FILE` names, and its value is never printed. A route's own field wins over the environment."""

CLUSTER_INTRO = """\
For `python -m wsgate_operator`. The API server is found by `KUBECONFIG`, else by the pod's service account, else
by `~/.kube/config`. Redis is the first that is given of `WSGATE_REVOCATION_REDIS_URL_FILE`,
`WSGATE_REVOCATION_REDIS_URL`, `REDIS_URL_FILE` and `REDIS_URL`."""

STANDALONE_INTRO = """\
`wsgate standalone` reads these beside the data plane's. There a route may point anywhere, and what the admin API
revokes is kept in `--state-dir` instead of Redis."""

REDIS_INTRO = """\
`redis://[user:password@]host[:port][/db]`, or `rediss://` for TLS. Special characters in user and password must
be percent-encoded. With `rediss://` these options may follow a question mark: `ssl_ca_certs`, `ssl_certfile` and
`ssl_keyfile` (files in the container), and `ssl_check_hostname`. The operator and the data plane each have
[a user of their own](redis.md#users)."""

NOT_YET_INTRO = """\
Fields of a WsRoute's spec that this version does not act on. Ignoring one would make a session less strict than it
was asked to be, so a route that uses one is refused."""

SOURCES_INTRO = """\
Where a token may stand: `auth.tokenSources` of a WsRoute. The token is checked in the same way by whichever it
comes, and each fault has the same reason. Two explicit credentials among the route's sources are refused; the
cookie counts where there is no other. The last two are read after the handshake, where that carries no token: the
client has its 101 by then, without extensions, and its upstream has not been asked for anything."""

SOURCES: Mapping[TokenSource, tuple[str, str, str]] = {
    "Header": (
        "raw, MQTT",
        "`Authorization: Bearer <token>`",
        "sent upstream, unless `auth.forward.authorization` is Strip",
    ),
    "Cookie": (
        "raw, MQTT",
        "the cookie `JWT_COOKIE_NAME`; needs a listed Origin or the route's own",
        "never sent upstream",
    ),
    "Query": ("raw, MQTT", "`?access_token=<token>` or `?token=<token>`", "never sent upstream"),
    "SubProtocol": (
        "raw, MQTT",
        "`bearer.<token>`, or `base64url.bearer.authorization.k8s.io.<token in base64url>`, beside a real one",
        "never sent upstream, never echoed",
    ),
    "MQTTPassword": (
        "MQTT 3.1, 3.1.1 and 5",
        "the password of the CONNECT packet",
        "sent upstream, unless `auth.forward.mqttPassword` is Strip",
    ),
    "FirstMessage": (
        "raw",
        "the whole first message, or `token` or `access_token` of it as a JSON object",
        "not sent upstream, unless `auth.forward.firstMessage` is Forward",
    ),
}

PROTOCOLS_INTRO = """\
| `protocol` | client offers `mqtt` or `mqttv3.1` | client offers neither |
| --- | --- | --- |
| Auto | MQTT | raw; with FirstMessage, a first message that is a CONNECT packet makes it MQTT |
| Raw | raw | raw |
| MQTT | MQTT | MQTT |

In band, the limits are `limits.firstMessageSeconds` and `limits.firstMessageBytes`, 1,000 clients of a pod that
have sent no token yet and, where `WSGATE_TRUSTED_PROXIES` is set, 20 of one address (IPv6: of one /64)."""

METRICS_INTRO = """\
Served at `/metrics` of the admin listener, port 9090 of a pod. [Watch the gateway](../howto/watch-the-gateway.md)
has a dashboard and alerts over them."""

DATA_PLANE_METRICS_INTRO = """\
The first thirteen keep the names of the original gateway. Label values come from closed sets and exist from the
start, so that `rate()` sees the first event; but for
`sub` and `preferred_username` of `ws_auth_success_total`, which it has where `WSGATE_METRICS_IDENTITY_LABELS_MAX`
[asks for them](../howto/replace-the-original-gateway.md#metrics-by-user)."""

OPERATOR_METRICS_INTRO = """\
The series of labels `task` and `content` exist from the start, the others with labels begin with their first
event. `wsgate_operator_redis_up` is absent where no Redis is configured."""

PROMETHEUS_RULE_HEAD = f"""\
# Made from ../prometheus/rules.yml by `{COMMAND}`; change that, then run this.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: wsgate
  namespace: wsgate-system
spec:
"""

ENV_EXAMPLE_INTRO = """\
Environment of `docker compose up` and of `docker run --env-file`: cp .env.example .env
Every variable of the original gateway with its default; an empty one is unset. wsgate's own may be added:
docs/reference/configuration.md has them. Values stand as they are: no quotes, no comment behind them."""

ORIGINAL_DEFAULTS = {"rate_limit_per_second": "10", "rate_limit_burst": "30"}
"""Where wsgate has another default for routes that are not the original's."""

LEGACY_FIELDS = tuple(field.alias or name for name, field in LegacyRoute.model_fields.items())

OPERATOR_LABELS: Mapping[str, str] = {
    "verb": "`list`, `watch`, `get`",
    "outcome": "status code, or `unanswered`",
    "accepted": "`true`, `false`",
    "kind": ", ".join(f"`{kind}`" for kind in KINDS),
    "content": ", ".join(f"`{content}`" for content in get_args(Content)),
    "why": ", ".join(f"`{damage}`" for damage in Damage),
    "task": ", ".join(f"`{task}`" for task in get_args(Task)),
}


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
    parts += ["## Operator in a cluster", CLUSTER_INTRO, settings_table(ClusterSettings)]
    parts += ["## Operator in standalone mode", STANDALONE_INTRO, settings_table(OperatorSettings)]
    parts += ["## The URL of a Redis", REDIS_INTRO]
    return page("Configuration", *parts)


def settings_table(settings: type[BaseSettings]) -> str:
    """One row for each field of a settings class."""
    rows = (
        (f"`{variable(settings, name)}`", default(field), allowed(field), meaning(settings, name, field))
        for name, field in settings.model_fields.items()
    )
    return table(("Name", "Default", "Allowed", "Meaning"), rows)


def variable(settings: type[BaseSettings], name: str) -> str:
    """The environment variable that a field is read from."""
    if settings is ClusterSettings and name == "redis_url":
        return "WSGATE_REVOCATION_REDIS_URL"
    return f"{settings.model_config.get('env_prefix', '')}{name.upper()}"


def default(field: FieldInfo) -> str:
    """A field's default as it would be written in the environment."""
    value = field.get_default(call_default_factory=True, validated_data={})
    if value in (None, PydanticUndefined, (), ""):
        return "unset"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{','.join(map(str, value)) if isinstance(value, tuple) else value}`"


def allowed(field: FieldInfo) -> str:
    """A field's choices or bounds."""
    if field.annotation is bool:
        return "`true`, `false`"
    if get_origin(field.annotation) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(field.annotation))
    bounds: dict[str, Any] = {}
    for constraint in field.metadata:
        bounds |= {key: getattr(constraint, key) for key in ("ge", "le") if hasattr(constraint, key)}
    return f"{bounds['ge']} to {bounds['le']}" if {"ge", "le"} <= bounds.keys() else ""


def meaning(settings: type[BaseSettings], name: str, field: FieldInfo) -> str:
    """A field's description, and what else there is to know of it."""
    text = field.description or ""
    if SecretStr in get_args(field.annotation):
        text = text.replace("Secret.", "*Secret.*")
    return text


def metrics() -> str:
    """Every metric family of both components."""
    parts = [METRICS_INTRO, "## Data plane", DATA_PLANE_METRICS_INTRO, data_plane_metrics()]
    parts += ["## Operator", OPERATOR_METRICS_INTRO, operator_metrics()]
    return page("Metrics", *parts)


def data_plane_metrics() -> str:
    """The families with the labels and values that they have from the start."""
    rows = []
    for family in Metrics().registry.collect():
        values: dict[str, list[str]] = {}
        for sample in family.samples:
            for label, value in sample.labels.items():
                values.setdefault(label, []).append(value)
        values.pop("le", None)
        rows.append(metric_row(family, map(label_text, values, values.values())))
    return metric_table(rows)


def operator_metrics() -> str:
    """The families with the labels that they declare."""
    rows = []
    for metric in vars(OperatorMetrics()).values():
        if isinstance(metric, MetricWrapperBase):
            (family,) = metric.describe()
            # Before there is a value, the library tells a label's name nowhere else.
            labels = (f"`{label}`: {OPERATOR_LABELS[label]}" for label in metric._labelnames)
            rows.append(metric_row(family, labels))
    return metric_table(rows)


def metric_row(family: Metric, labels: Iterable[str]) -> tuple[str, ...]:
    """The cells of one family."""
    name = f"{family.name}_total" if family.type == "counter" else family.name
    return f"`{name}`", family.type, "; ".join(labels), family.documentation


def metric_table(rows: Iterable[tuple[str, ...]]) -> str:
    """All families of a component."""
    return table(("Name", "Type", "Labels", "Meaning"), rows)


def not_yet() -> str:
    """What translate refuses."""
    rows = [(f"`{each.field}`", each.advice) for each in REFUSED]
    return page("Not yet", NOT_YET_INTRO, table(("Field", "Until then"), rows))


def token_sources() -> str:
    """Where a token may stand, and what a client hears of each fault by each way."""
    sources = [(f"`{name}`", *SOURCES[name]) for name in get_args(TokenSource)]
    faults = (
        (
            f"`{reason}`",
            str(row.http or "-"),
            f"{row.close} `{row.words}`",
            f"CONNACK 0x{row.mqtt5:02X}, {row.close}" if row.mqtt5 else str(row.close),
            f"CONNACK {row.mqtt311}, {row.close}" if row.mqtt311 else str(row.close),
        )
        for reason, row in OUTCOMES.items()
        if reason in AUTH_REASONS or reason in IN_BAND_REASONS
        if row.close is not None
    )
    header = (
        "Reason",
        "Header, Cookie, Query, SubProtocol",
        "FirstMessage",
        "MQTT 5 password",
        "MQTT 3.1.1 password",
    )
    return page(
        "Token sources",
        SOURCES_INTRO,
        table(("Source", "Sessions", "Where", "Upstream"), sources),
        "## Which protocol a session speaks",
        PROTOCOLS_INTRO,
        "## What a client hears",
        "The first column as HTTP status, or with `onRefusal: Close` as the Close of the second; the reason is "
        "in the body, the log and `kubectl wsgate why`.",
        table(header, faults),
    )


def label_text(label: str, values: list[str]) -> str:
    """A label with its values; reasons have a page of their own."""
    if set(values) <= set(Reason):
        return f"`{label}` (see [outcomes](outcomes.md))"
    return f"`{label}`: {', '.join(f'`{value}`' for value in values)}"


def prometheus_rule() -> str:
    """The rules file as an object of the Prometheus Operator."""
    rules = (OBSERVABILITY / "prometheus/rules.yml").read_text(encoding="utf-8")
    return PROMETHEUS_RULE_HEAD + indent(rules[rules.index("groups:") :], "  ")


def env_example() -> str:
    """An env file with the variables of the original gateway."""
    parts = [f"# {NOTICE[5:-4]}", comment(ENV_EXAMPLE_INTRO)]
    for name, field in Settings.model_fields.items():
        if name.startswith("wsgate_"):
            continue
        value = ORIGINAL_DEFAULTS.get(name) or default(field).strip("`").replace("unset", "")
        choices = allowed(field).replace("`", "")
        text = (field.description or "") + (f" Allowed: {choices}." if choices else "")
        parts.append(f"{comment(text)}\n{name.upper()}={value}")
    return "\n\n".join(parts) + "\n"


def comment(text: str) -> str:
    """The text in lines that begin with #."""
    lines = [line for paragraph in text.splitlines() for line in wrap(paragraph, 108)]
    return "\n".join(f"# {line}" for line in lines)


def original_route() -> str:
    """What every route of the original's list has beside its own fields, for the chart's template."""
    entry = LegacyRoute(prefix="/original", upstream="ws://upstream")
    routes, _ = routes_of_legacy([entry], Options(root_namespace="default"))
    document = route_document(routes[0], None)
    spec = {name: value for name, value in document["spec"].items() if name not in LEGACY_FIELDS}
    content = {"prefixPattern": PREFIX_PATTERN, "upstreamPattern": UPSTREAM_PATTERN, "spec": spec}
    return f"# {NOTICE[5:-4]}\n" + yaml.safe_dump(content, sort_keys=False, width=110)


def main(arguments: list[str]) -> int:
    """Write the files, or with --check compare them; 1 where one differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail where a file is not up to date")
    is_check = parser.parse_args(arguments).check
    made = {
        "docs/reference/outcomes.md": outcomes(),
        "docs/reference/configuration.md": configuration(),
        "docs/reference/metrics.md": metrics(),
        "docs/reference/not-yet.md": not_yet(),
        "docs/reference/token-sources.md": token_sources(),
        "manifests/observability/prometheus-operator/prometheusrule.yaml": prometheus_rule(),
        ".env.example": env_example(),
        f"{CHART_FILES}/original-route.yaml": original_route(),
    }
    stale = []
    for name, text in made.items():
        file = ROOT / name
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            stale.append(name)
            if not is_check:
                file.write_text(text, encoding="utf-8")
    if is_check and stale:
        sys.stderr.write(f"not up to date: {', '.join(stale)}; run: {COMMAND}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
