"""The answers of several pods as one: rows for people, one document for programs."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from wsgate_cli.plugin.pods import Problem
from wsgate_cli.plugin.table import plain

Answer = Mapping[str, Any]
Row = Mapping[str, str]


@dataclass(frozen=True)
class View:
    """titles: columns of a table; those in wide_only need -o wide."""

    rows: Callable[[Sequence[Answer]], list[Row]]
    titles: tuple[str, ...]
    wide_only: frozenset[str]

    def columns(self, *, is_wide: bool) -> list[str]:
        """The titles that are shown."""
        return [title for title in self.titles if is_wide or title not in self.wide_only]


def merged(answers: Sequence[Answer], problems: Sequence[Problem]) -> dict[str, Any]:
    """{"items": each with its pod, "pods": what else each pod said, "problems": pods that said nothing}."""
    return {
        "items": [{"pod": answer.get("pod"), **item} for answer in answers for item in answer["items"]],
        "pods": [{name: value for name, value in answer.items() if name != "items"} for answer in answers],
        "problems": [{"pod": each.pod, "detail": each.detail} for each in problems],
    }


def remarks(answers: Sequence[Answer]) -> list[str]:
    """What a reader of a table must know beside it."""
    lines = []
    for answer in answers:
        pod, shown = plain(answer.get("pod")), len(answer["items"])
        if answer.get("truncated"):
            lines.append(f"{pod}: shows {shown} of {plain(answer.get('total'))}; filter to see the others")
        if answer.get("isStale"):
            since = answer.get("confirmedAt")
            lines.append(f"{pod}: stale: no channel has confirmed its revocations since {plain(since)}")
    return lines


def sessions(answers: Sequence[Answer]) -> list[Row]:
    """Oldest first."""
    found = [(answer, item) for answer in answers for item in answer["items"]]
    found.sort(key=lambda each: str(each[1].get("startedAt")))
    return [
        {
            "SESSION": f"{answer.get('pod')}/{item.get('uid')}",
            "ROUTE": plain(item.get("route")),
            "SUB": plain(item.get("sub")),
            "ADDRESS": plain(item.get("address")),
            "AGE": _age(item.get("seconds")),
            "EXPIRES": plain(item.get("expiresAt")),
            "JTI": plain(item.get("jti")),
            "SID": plain(item.get("sid")),
            "ISS": plain(item.get("iss")),
            "REQUEST-ID": plain(item.get("requestID")),
        }
        for answer, item in found
    ]


def refusals(answers: Sequence[Answer]) -> list[Row]:
    """Newest first."""
    return [
        {
            "TIME": plain(item.get("time")),
            "STATUS": plain(item.get("status")),
            "REASON": plain(item.get("reason")),
            "ROUTE": plain(item.get("route")),
            "SUB": plain(item.get("sub")),
            "ADDRESS": plain(item.get("address")),
            "REQUEST-ID": plain(item.get("requestID")),
            "POD": plain(pod),
            "PATH": plain(item.get("path")),
            "DETAIL": plain(item.get("detail")),
        }
        for pod, item in newest_first(answers)
    ]


def newest_first(answers: Sequence[Answer]) -> list[tuple[str, Mapping[str, Any]]]:
    """(pod, item) of all pods by the item's time."""
    found = [(str(answer.get("pod")), item) for answer in answers for item in answer["items"]]
    return sorted(found, key=lambda each: str(each[1].get("time")), reverse=True)


def routes(answers: Sequence[Answer]) -> list[Row]:
    """One row a route where all pods agree, one for each of its states where they do not."""
    rows = []
    for item, holders in _same(answers, but=("sessions",)):
        rows.append(
            {
                "ROUTE": plain(item.get("route")),
                "HOSTNAMES": plain(", ".join(map(str, item.get("hostnames") or ["*"]))),
                "PREFIX": plain(item.get("prefix")),
                "UPSTREAMS": plain(", ".join(map(str, item.get("upstreams") or ()))),
                "SESSIONS": str(sum(int(each.get("sessions") or 0) for _, each in holders)),
                "STATE": plain(item.get("state")),
                "PODS": f"{len(holders)}/{len(answers)}",
                "DETAIL": plain(item.get("detail")),
                "ON": plain(", ".join(pod for pod, _ in holders)),
            }
        )
    return sorted(rows, key=lambda row: row["ROUTE"])


def revocations(answers: Sequence[Answer]) -> list[Row]:
    """One row a record where all pods agree."""
    rows = []
    for item, holders in _same(answers, but=("channels",)):
        channels = sorted({str(name) for _, each in holders for name in each.get("channels") or ()})
        rows.append(
            {
                "ID": plain(item.get("id")),
                "SCOPE": plain(item.get("namespace") or "*"),
                "MATCHES": _matches(item),
                "EXPIRES": _moment(item.get("expiresAt")),
                "CHANNELS": plain(", ".join(channels)),
                "PODS": f"{len(holders)}/{len(answers)}",
                "ON": plain(", ".join(pod for pod, _ in holders)),
            }
        )
    return sorted(rows, key=lambda row: row["ID"])


def _same(
    answers: Sequence[Answer], but: tuple[str, ...]
) -> list[tuple[Mapping[str, Any], list[tuple[str, Mapping[str, Any]]]]]:
    """Items that are equal but for some fields, each with the pods that have it and how they have it."""
    groups: dict[str, tuple[Mapping[str, Any], list[tuple[str, Mapping[str, Any]]]]] = {}
    for answer in answers:
        for item in answer["items"]:
            key = json.dumps({name: value for name, value in item.items() if name not in but}, sort_keys=True)
            groups.setdefault(key, (item, []))[1].append((str(answer.get("pod")), item))
    return list(groups.values())


def _matches(record: Mapping[str, Any]) -> str:
    claim = record.get("claim") or {}
    parts = {
        "jti=": record.get("jti"),
        "sub=": record.get("subject"),
        "sid=": record.get("sessionID"),
        "sha256=": record.get("tokenSHA256"),
        f"{claim.get('claim')}=": claim.get("value"),
        "iss=": record.get("issuer"),
        "iat<=": _moment(record.get("issuedBefore")),
    }
    return plain(" ".join(f"{name}{value}" for name, value in parts.items() if value not in (None, "-")))


def _moment(seconds: object) -> str:
    """Unix seconds as RFC 3339."""
    try:
        return datetime.fromtimestamp(float(str(seconds)), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return plain(seconds)


def _age(seconds: object) -> str:
    if not isinstance(seconds, int | float):
        return "-"
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * length:
            return f"{int(seconds // length)}{unit}"
    return f"{int(seconds)}s"


VIEWS: Mapping[str, View] = {
    "sessions": View(
        sessions,
        ("SESSION", "ROUTE", "SUB", "ADDRESS", "AGE", "EXPIRES", "JTI", "SID", "ISS", "REQUEST-ID"),
        frozenset({"JTI", "SID", "ISS", "REQUEST-ID"}),
    ),
    "routes": View(
        routes,
        ("ROUTE", "HOSTNAMES", "PREFIX", "UPSTREAMS", "SESSIONS", "STATE", "PODS", "DETAIL", "ON"),
        frozenset({"DETAIL", "ON"}),
    ),
    "revocations": View(
        revocations, ("ID", "SCOPE", "MATCHES", "EXPIRES", "CHANNELS", "PODS", "ON"), frozenset({"ON"})
    ),
    "refusals": View(
        refusals,
        ("TIME", "STATUS", "REASON", "ROUTE", "SUB", "ADDRESS", "REQUEST-ID", "POD", "PATH", "DETAIL"),
        frozenset({"POD", "PATH", "DETAIL"}),
    ),
}
