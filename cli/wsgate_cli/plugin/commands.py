"""The commands of kubectl wsgate: each asks some pods, prints, and returns the exit status."""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from wsgate_cli.plugin.admin_client import AdminClient
from wsgate_cli.plugin.pods import Problem, Target, ask, ask_all
from wsgate_cli.plugin.table import plain, table
from wsgate_cli.plugin.views import VIEWS, merged, newest_first, remarks
from wsgate_cli.plugin.ways import Unusable, find_targets

EXPLAINED_MAX = 5
"""How many refusals `why` prints."""
FILTERS: Mapping[str, Mapping[str, str]] = {
    "sessions": {"sub": "sub", "jti": "jti", "route": "route"},
    "routes": {"route": "route"},
    "revocations": {"sub": "sub", "jti": "jti", "id": "id"},
    "refusals": {"request_id": "requestID", "sub": "sub"},
}
"""By listing: option and the name that the admin API gives it."""


def show(options: argparse.Namespace) -> int:
    """A listing of all pods."""
    kind = options.command
    filters = {theirs: getattr(options, ours) for ours, theirs in FILTERS[kind].items()}
    targets = find_targets(options)
    answers, problems = ask_all(targets, lambda client: client.items(kind, **filters, limit=options.limit))
    if options.output in ("json", "yaml"):
        _print_document(merged(answers, problems), options.output)
    elif answers:
        is_wide = options.output == "wide"
        view = VIEWS[kind]
        print(table(view.columns(is_wide=is_wide), view.rows(answers), is_wide=is_wide), end="")
        _note(remarks(answers))
    return _status(problems)


def why(options: argparse.Namespace) -> int:
    """Refusals with what was found and what to do; 1 where no pod knows of one."""
    if (options.request_id is None) == (options.sub is None):
        raise Unusable("why: give either a REQUEST_ID, or --sub SUBJECT")
    filters = {"requestID": options.request_id, "sub": options.sub}
    answers, problems = ask_all(find_targets(options), lambda client: client.items("refusals", **filters))
    found = newest_first(answers)
    if options.output is not None:
        _print_document(merged(answers, problems), options.output)
    else:
        for pod, refusal in found[:EXPLAINED_MAX]:
            _explain(pod, refusal)
        if len(found) > EXPLAINED_MAX:
            _note([f"{len(found) - EXPLAINED_MAX} older ones: kubectl wsgate refusals"])
    if answers and not found:
        where = f"{len(answers)} pod{'s' if len(answers) > 1 else ''}"
        print(
            f"error: no such refusal among the last 1,000 of {where}; older ones, and closed sessions, are in the "
            "pods' log",
            file=sys.stderr,
        )
    return _status(problems) or (0 if found else 1)


def close(options: argparse.Namespace) -> int:
    """Single sessions, named POD/UID."""
    wanted = [_pod_and_uid(session) for session in options.sessions]
    targets = find_targets(options)
    by_pod, problems = _named(targets) if options.admin_url else ({each.name: each for each in targets}, [])
    for pod, uid in wanted:
        if pod not in by_pod:
            there = ", ".join(by_pod) or "none"
            problems.append(Problem(f"{pod}/{uid}", f"no such pod answers; there are: {there}"))
            continue
        result = ask(by_pod[pod], _closer(uid))
        if isinstance(result, Problem):
            problems.append(Problem(f"{pod}/{uid}", result.detail))
        else:
            print(f"session {pod}/{uid} closed")
    return _status(problems)


def revoke(options: argparse.Namespace) -> int:
    """Tell one pod, which tells the others; the next one where it does not record it."""
    given = {"sub": options.sub, "jti": options.jti, "iss": options.iss}
    body = {name: value for name, value in given.items() if value is not None}
    problems: list[Problem] = []
    for target in find_targets(options):
        answer = ask(target, lambda client: client.post("revoke", body))
        if not isinstance(answer, Problem):
            _note([str(problem) for problem in problems])
            _print_revoked(target, answer, options.output)
            return 0
        problems.append(answer)
        if answer.status == 400:
            # Every pod would say the same.
            break
    else:
        print("error: not recorded for certain; send it again, twice is harmless", file=sys.stderr)
    return _status(problems)


def _explain(pod: str, refusal: Mapping[str, Any]) -> None:
    reason, status, detail, advice, request, time, address, route, path, sub = (
        plain(refusal.get(name))
        for name in (
            *("reason", "status", "detail", "advice", "requestID"),
            *("time", "address", "route", "path", "sub"),
        )
    )
    print(f"{reason} ({status})")
    print(f"  found:   {detail}")
    print(f"  to do:   {advice}")
    print(f"  request: {request} at {time} from {address}, on pod {plain(pod)}")
    print(f"  route:   {route}, path {path}, sub {sub}")


def _pod_and_uid(session: str) -> tuple[str, str]:
    pod, _, uid = session.rpartition("/")
    if not pod or not uid:
        raise Unusable(f"close: {session}: expected POD/UID, as the column SESSION of `sessions` shows it")
    return pod, uid


def _named(targets: Sequence[Target]) -> tuple[dict[str, Target], list[Problem]]:
    """By pod: a URL does not tell which one answers there."""
    by_url = {target.name: target for target in targets}
    names, problems = ask_all(targets, lambda client: (client.url, client.items("sessions", limit="1").get("pod")))
    return {str(pod): by_url[url] for url, pod in names}, problems


def _closer(uid: str) -> Callable[[AdminClient], None]:
    return lambda client: client.close_session(uid)


def _print_revoked(target: Target, answer: Mapping[str, Any], output: str | None) -> None:
    if output is not None:
        _print_document({"pod": target.name, **answer}, output)
        return
    closed = f"{answer.get('closed')} sessions closed on {target.name} at once"
    print(f"revoked by {answer.get('id')}: {closed}, the other pods follow")


def _print_document(document: object, output: str) -> None:
    if output == "json":
        print(json.dumps(document, indent=2))
        return
    # Only here: loading it takes time that the other commands need not spend.
    import yaml

    print(yaml.safe_dump(document, sort_keys=False), end="")


def _note(lines: Sequence[str]) -> None:
    for line in lines:
        print(f"note: {line}", file=sys.stderr)


def _status(problems: Sequence[Problem]) -> int:
    """Name the pods that did not do it; the exit status."""
    for problem in problems:
        print(f"error: {plain(problem)}", file=sys.stderr)
    return 1 if problems else 0
