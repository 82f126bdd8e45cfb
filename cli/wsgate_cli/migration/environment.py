"""The original's variables judged: what the data plane takes over, what differs, what cannot be used."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from wsgate_cli.migration.variables import SECRET_NAMES, Variable
from wsgate_contract.redis_url import FORM, RedisURL
from wsgate_dataplane.identity.stores import postgres_dsn
from wsgate_dataplane.settings import Settings, SettingsError, environment_names
from wsgate_operator.settings import ClusterSettings
from wsgate_operator.sources.problem import Problem

OLD_BACKEND = re.compile(r"UPSTREAM_WS_URL|(RAW|MQTT)_(WS_)?(BACKEND|UPSTREAM)_URL")
"""Upstreams by protocol, before the original had routes."""
URL_WITH_PASSWORD = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#\s]*@", re.IGNORECASE)
BY_OPERATOR = frozenset(f"WSGATE_{name.upper()}" for name in ClusterSettings.model_fields)
REDIS_NAMES = ("REDIS_URL", "WSGATE_REVOCATION_REDIS_URL")
SEE = "docs/reference/configuration.md has what it takes"

Rewrite = Callable[[str], tuple[str, str]]
"""A value to the one that wsgate is given (empty: none) and, where they differ, why."""


@dataclass(frozen=True)
class Environment:
    """What the data plane is to be given."""

    plain: Mapping[str, str]
    secrets: tuple[Variable, ...]
    """To be put into a Secret; their values are printed nowhere."""
    settings: Settings = field(repr=False)
    changes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


def judge(variables: Sequence[Variable]) -> Environment:
    """Decide about each variable; an empty value counts as unset."""
    changes: list[str] = []
    kept: dict[str, Variable] = {}
    problems: list[Problem] = []
    for variable in variables:
        if not variable.value:
            continue
        before = kept.get(variable.name)
        if before is not None and before.value != variable.value:
            problems.append(variable.problem(f"is also set in {before.place}, to something else", "keep one"))
            continue
        if not variable.value.isprintable():
            problems.append(variable.problem("holds a line break or another control character", "write one line"))
            continue
        value, why = _rewritten(variable)
        if why:
            changes.append(f"{variable.name}: {why}")
        if value:
            kept[variable.name] = variable
    values = {name: _rewritten(variable)[0] for name, variable in kept.items()}
    settings, faults = _settings(values, kept)
    problems += faults
    if not problems:
        changes += settings.warnings(values, BY_OPERATOR)
        changes += _token_cache(settings, values)
    secrets = tuple(v for v in kept.values() if v.is_secret or URL_WITH_PASSWORD.match(v.value))
    names = {variable.name for variable in secrets}
    plain = {name: value for name, value in values.items() if name not in names}
    return Environment(plain, secrets, settings, tuple(changes), tuple(problems))


def _rewritten(variable: Variable) -> tuple[str, str]:
    name = variable.name
    if OLD_BACKEND.fullmatch(name):
        return "", (
            "upstreams by protocol are gone, as in the original since 0.3: write a route instead, "
            "- {prefix: /ws, upstream: <that URL>}, for each path its clients connect to"
        )
    if name in _REWRITES:
        return _REWRITES[name](variable.value)
    if name in environment_names() or name in BY_OPERATOR:
        return variable.value, ""
    return "", "not carried over, wsgate has no such setting"


def _route_file(_value: str) -> tuple[str, str]:
    return "", (
        "not carried over: in a cluster the operator makes that file out of the WsRoutes; "
        "wsgate standalone takes them by --config"
    )


def _origins(value: str) -> tuple[str, str]:
    if "*" not in _words(value):
        return value, ""
    return "", (
        "* is not carried over: unset, a token in the Authorization header is admitted from any Origin, and one "
        "in a cookie only from https:// and a hostname of the route or INGRESS_HOST; list the Origins of your "
        "pages"
    )


def _algorithms(value: str) -> tuple[str, str]:
    words = _words(value)
    kept = [word for word in words if word.upper() != "NONE" and not word.upper().startswith("HS")]
    if len(kept) == len(words) or not kept:
        # With none left the setting itself says what is wrong.
        return value, ""
    return ",".join(kept), "HS* and none are left out: tokens need an asymmetric signature"


_REWRITES: Mapping[str, Rewrite] = {
    "ROUTE_FILE": _route_file,
    "WS_ALLOWED_ORIGINS": _origins,
    "JWT_VALID_ALGORITHMS": _algorithms,
}


def _words(value: str) -> list[str]:
    return [word.strip() for word in value.split(",") if word.strip()]


def _token_cache(settings: Settings, values: Mapping[str, str]) -> list[str]:
    """What the original's shared stores did not need."""
    if settings.jwt_cache_store == "memory" or values.keys() & {"WSGATE_CACHE_KEY", "WSGATE_CACHE_KEY_FILE"}:
        return []
    return [
        f"JWT_CACHE_STORE: {settings.jwt_cache_store} needs a WSGATE_CACHE_KEY that is the same for all pods; "
        "without it memory is used, which is the one to choose: docs/howto/choose-a-token-cache.md"
    ]


def _settings(values: Mapping[str, str], kept: Mapping[str, Variable]) -> tuple[Settings, list[Problem]]:
    """The settings, and what is wrong with each; a file that a `_FILE` names is looked for where it will run."""
    problems = [
        kept[name].problem(f"expected {FORM}", "correct it; it is not shown, being a secret")
        for name in REDIS_NAMES
        if name in values and RedisURL.parse(values[name]) is None
    ]
    if values.get("JWT_CACHE_STORE") == "postgres" and not postgres_dsn.is_usable(
        values.get("POSTGRES_DSN", "postgres:")
    ):
        message = f"expected {postgres_dsn.FORM} (it is not shown, being a secret)"
        problems.append(
            kept["POSTGRES_DSN"].problem(message, "write it so, or leave JWT_CACHE_STORE out: memory will do")
        )
    files = {f"{name}_FILE" for name in SECRET_NAMES}
    given = {name: value for name, value in values.items() if name not in files}
    try:
        return Settings.load(given), problems
    except SettingsError as error:
        for text in error.problems:
            name, _, message = text.partition(": ")
            problems.append(_fault(kept[name], message))
    return Settings.load({}), problems


def _fault(variable: Variable, message: str) -> Problem:
    if variable.is_secret:
        # What the settings say may quote the value.
        return variable.problem("not a value that this setting takes (it is not shown, being a secret)", SEE)
    return variable.problem(message, f"correct it; {SEE}")
