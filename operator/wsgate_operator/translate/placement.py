"""Objects take their places in order: in force, kept by an earlier version, or left out."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from wsgate_contract.revocation import RevocationRecord
from wsgate_contract.route import Route
from wsgate_operator.translate.assessment import Age, AssessedRevocation, AssessedRoute, age_of_key, rules_of
from wsgate_operator.translate.contest import contested
from wsgate_operator.translate.destinations import forbidden_destination
from wsgate_operator.translate.holdings import NO_CERTIFICATES, States
from wsgate_operator.translate.host_claims import HostClaim, HostClaims, hosts_of
from wsgate_operator.translate.options import Options
from wsgate_operator.translate.verdict import Kind, Unreadable, Verdict, VerdictReason

KEPT = "; the last accepted version stays in force"

Warnings = Mapping[str, tuple[str, ...]]
Candidate = tuple[Age, str, AssessedRoute | AssessedRevocation | Verdict | None]
"""A key with what is known of its object; None: it is held without one. A route that waits is held, too."""


@dataclass(frozen=True)
class Placement:
    """What both kinds are placed by."""

    options: Options
    unreadable: Collection[Unreadable]
    held: Collection[tuple[Kind, str]]
    certificates: States = field(default_factory=lambda: NO_CERTIFICATES)

    def candidates(
        self, kind: Kind, assessed: Iterable[AssessedRoute] | Iterable[AssessedRevocation]
    ) -> list[Candidate]:
        """All of a kind, oldest first."""
        found: list[Candidate] = [(each.age, each.source.key, each) for each in assessed]
        known = {key for _, key, _ in found}
        for each in self.unreadable:
            if each.kind == kind and each.key not in known:
                verdict = Verdict(kind, each.key, VerdictReason.INVALID, each.message, is_readable=False)
                found.append((age_of_key(each.key, each.created), each.key, verdict))
        known.update(key for _, key, _ in found)
        # First of all: nobody shall take a place over whose holder is only out of sight.
        found += [
            ((float("-inf"), key, ""), key, None) for of, key in self.held if of == kind and key not in known
        ]
        return sorted(found, key=lambda candidate: candidate[0])


def place_routes(
    assessed: Iterable[AssessedRoute],
    placement: Placement,
    last_good: Mapping[str, Route],
    extra_warnings: Warnings,
) -> tuple[tuple[Route, ...], tuple[Verdict, ...]]:
    """The routes that have a place, in the order of their places, and the verdicts by key.

    Whoever holds a place keeps it, in the order of last_good: an old object that is edited comes after all that
    were there before, and stays there, or its age would give it any place that another has.
    """
    options, claims = placement.options, HostClaims()
    placed: list[Route] = []
    verdicts = []
    standing = {key: position for position, key in enumerate(last_good)}
    candidates = placement.candidates("WsRoute", assessed)
    # Sorting keeps the order of equals: newcomers stay in that of their age.
    candidates.sort(
        key=lambda each: standing[each[1]] if _holds_its_place(each[2], last_good.get(each[1])) else len(standing)
    )
    for _, key, found in candidates:
        if isinstance(found, AssessedRoute) and (before := last_good.get(key)) is not None:
            # An owner that edits its route keeps the hosts that it still names.
            for host in sorted({*hosts_of(before)} & {*hosts_of(found.rendered)}):
                claims.keep(host, HostClaim(before.namespace, key))
    for _, key, found in candidates:
        route, verdict = None, found if isinstance(found, Verdict) else None
        if isinstance(found, AssessedRoute) and not found.is_waiting:
            verdict = _judge(found, claims, options, extra_warnings.get(key, ()))
            route = found.rendered if verdict.accepted else None
        if verdict is None or verdict.is_faulty:
            route = _kept(last_good.get(key), claims, placement)
        if verdict is not None:
            is_kept = route is not None and not verdict.accepted
            verdicts.append(replace(verdict, message=verdict.message + KEPT) if is_kept else verdict)
        if route is not None:
            claims.add(route)
            placed.append(route)
    return tuple(placed), _by_key(verdicts)


def place_revocations(
    assessed: Iterable[AssessedRevocation], placement: Placement, last_good: Mapping[str, RevocationRecord]
) -> tuple[tuple[RevocationRecord, ...], tuple[Verdict, ...]]:
    """The records in force, oldest first, and the verdicts by key."""
    records, verdicts = [], []
    for _, key, found in placement.candidates("TokenRevocation", assessed):
        record, verdict = last_good.get(key), found if isinstance(found, Verdict) else None
        if isinstance(found, AssessedRevocation):
            if found.fault is None:
                record = found.record
                verdict = Verdict("TokenRevocation", key, VerdictReason.ACCEPTED, "in force")
            else:
                verdict = Verdict("TokenRevocation", key, VerdictReason.INVALID, found.fault)
        if verdict is not None:
            is_kept = record is not None and not verdict.accepted
            verdicts.append(replace(verdict, message=verdict.message + KEPT) if is_kept else verdict)
        if record is not None:
            records.append(record)
    return tuple(records), _by_key(verdicts)


def _holds_its_place(found: AssessedRoute | AssessedRevocation | Verdict | None, last_good: Route | None) -> bool:
    """Whether what would be served now has the hosts and the prefix of what was served before."""
    if last_good is None or not isinstance(found, AssessedRoute):
        return last_good is not None
    new = found.rendered
    return not found.is_sound or (new.hostnames, new.prefix) == (last_good.hostnames, last_good.prefix)


def _judge(found: AssessedRoute, claims: HostClaims, options: Options, extra: tuple[str, ...]) -> Verdict:
    """The verdict on a route, given those that come before it."""
    reason, message = VerdictReason.ACCEPTED, "accepted"
    if found.fault is not None:
        reason, message = VerdictReason.INVALID, found.fault
    elif found.forbidden is not None:
        reason, message = VerdictReason.REF_NOT_PERMITTED, found.forbidden
    elif found.unresolved is not None:
        reason, message = found.unresolved.reason, found.unresolved.message
    elif (contest := contested(found.rendered, claims, options)) is not None:
        reason, message = contest
    warnings = extra if reason is VerdictReason.ACCEPTED else ()
    return Verdict("WsRoute", found.rendered.key, reason, message, warnings, found.forbidden, found.unresolved)


def _kept(last_good: Route | None, claims: HostClaims, placement: Placement) -> Route | None:
    """The last accepted version, unless its place is taken, the rules have changed or its certificate is gone."""
    options = placement.options
    if last_good is None or contested(last_good, claims, options) is not None:
        return None
    if forbidden_destination(last_good, last_good.namespace, options) is not None:
        return None
    certificate = placement.certificates.get(last_good.client_certificate or "")
    if certificate is not None and not certificate.is_held:
        return None
    rules = rules_of(last_good.namespace, last_good, options)
    is_same = all(getattr(last_good, name) == value for name, value in rules.items())
    return last_good if is_same else last_good.model_copy(update=rules)


def _by_key(verdicts: Iterable[Verdict]) -> tuple[Verdict, ...]:
    return tuple(sorted(verdicts, key=lambda verdict: verdict.key))
