"""Looks after the Secrets with client certificates that routes name, and hands copies to the data plane.

The operator may read no Secret but those that a namespace grants by name, and is not told when one changes: it
asks for each, from time to time and when a route names a new one. Whatever it could not ask for stays as it was.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from wsgate_operator.sinks.api_calls import ApiCalls, Target
from wsgate_operator.sinks.api_error import ApiError, Fault
from wsgate_operator.sinks.lasting_fault import LastingFault
from wsgate_operator.sinks.secret import SecretSink
from wsgate_operator.telemetry.metrics import Metrics
from wsgate_operator.translate.client_certificate import FIELD, SecretRef, UnusableCertificate, read_secret
from wsgate_operator.translate.holdings import (
    NO_CERTIFICATES,
    CertificateState,
    Faulty,
    Found,
    Holding,
    Holdings,
    States,
    copies_of,
    fit,
    held_after,
    states_of,
)
from wsgate_operator.translate.shares import in_turn
from wsgate_operator.translate.verdict import RefFault, VerdictReason

CALLS_AT_ONCE = 8
REFS_MAX = 500
"""Secrets asked for in one look; copies of more would hardly fit."""
TOO_MANY = (
    "{field}: the routes of this gateway name more than {limit} Secrets, and those of the namespaces that name "
    "most are not read: let routes share a Secret, or serve some by another gateway (spec.gatewayName)"
)


@dataclass(frozen=True)
class Grantee:
    """Whom a namespace must grant the right to read a Secret: the operator's service account."""

    namespace: str
    service_account: str
    gateway_name: str

    def command(self, ref: SecretRef) -> str:
        """What whoever has rights in the namespace of the Secret types."""
        defaults = Grantee("wsgate-system", "wsgate-operator", "wsgate")
        flags = (
            ("operator-namespace", self.namespace, defaults.namespace),
            ("service-account", self.service_account, defaults.service_account),
            ("gateway-name", self.gateway_name, defaults.gateway_name),
        )
        differing = "".join(f" --{flag} {value}" for flag, value, default in flags if value != default)
        return f"kubectl wsgate grant-secret {ref.name} -n {ref.namespace}{differing} | kubectl apply -f -"


class Certificates:
    """want() and states are for who decides; look() is the work. clock answers Unix seconds.

    gone_seconds: how long a Secret must be gone, or forbidden, before its copy is let go. on_written: told when
    the copies have changed.
    """

    def __init__(
        self,
        calls: ApiCalls,
        sink: SecretSink,
        grantee: Grantee,
        root_namespace: str,
        gone_seconds: float,
        clock: Callable[[], float],
        metrics: Metrics,
        on_written: Callable[[], None],
    ) -> None:
        self._calls = calls
        self._sink = sink
        self._grantee = grantee
        self._root_namespace = root_namespace
        self._gone_seconds = gone_seconds
        self._clock = clock
        self._metrics = metrics
        self._on_written = on_written
        self._refs: Mapping[str, SecretRef] = {}
        self._holdings: Holdings | None = None
        """None: what a former life has copied is not known yet."""
        self._unknown: States = NO_CERTIFICATES
        """What is told meanwhile."""
        self._full_at = 0.0
        """When all Secrets were asked for last."""
        self._unread = LastingFault("Secrets not read")
        self._unwritten = LastingFault("client certificates not copied")
        self.due = asyncio.Event()
        """Set when a look should not wait for its time."""

    @property
    def states(self) -> States:
        """By id, of what has been looked at."""
        return self._unknown if self._holdings is None else states_of(self._holdings)

    def want(self, refs: Iterable[SecretRef]) -> None:
        """All that routes name now."""
        before, self._refs = self._refs, {ref.id: ref for ref in refs}
        if not self._refs.keys() <= before.keys():
            self.due.set()

    async def look(self, *, is_full: bool = True) -> bool:
        """Ask for every Secret once, and bring the copies up to date; answers whether a state has changed.

        Not full: only for those that have not been looked at, so that edits of routes cause no flood of calls; nor
        do they put off a full look that is due.
        """
        self.due.clear()
        refs, before = self._refs, self.states
        if self._holdings is None and not await self._restore():
            return self.states != before
        held: Holdings = self._holdings or {}
        is_full = is_full or self._clock() - self._full_at >= self._gone_seconds
        if is_full:
            self._full_at = self._clock()
        asked = self._asked(refs)
        found = await self._ask({id_: ref for id_, ref in asked.items() if is_full or id_ not in before})
        fault = RefFault(VerdictReason.CAPACITY_EXCEEDED, TOO_MANY.format(field=FIELD, limit=REFS_MAX))
        found |= {id_: Faulty(fault) for id_ in refs.keys() - asked.keys()}
        after = held_after(held, found, refs, self._clock(), self._gone_seconds)
        if held or after:
            after = dict(await self._copied(held, fit(after, refs, self._root_namespace)))
        self._holdings = after
        self._count()
        return self.states != before

    async def _restore(self) -> bool:
        """What a former life has copied, so that a fault meanwhile is no outage."""
        try:
            copies = await self._sink.load()
        except ApiError as error:
            if self._refs:
                self._unwritten.failed(error.fault, str(error))
            if not error.fault.is_of_the_server:
                # Forbidden, as for an operator that is newer than its Role.
                fault = _fault(f"the operator cannot read its copies in {self._sink}: {error}")
                # Pods may well have them: routes in force stay so.
                self._unknown = dict.fromkeys(self._refs, CertificateState(is_held=True, fault=fault))
            return False
        self._holdings = {id_: Holding(pem) for id_, pem in copies.items()}
        return True

    def _asked(self, refs: Mapping[str, SecretRef]) -> dict[str, SecretRef]:
        """As many as are asked for in one look, in equal shares of the namespaces."""
        ordered = in_turn(
            sorted(refs.values()),
            lambda ref: 1,
            lambda ref: None if ref.namespace == self._root_namespace else ref.namespace,
        )
        return {ref.id: ref for ref in ordered[:REFS_MAX]}

    async def _ask(self, refs: Mapping[str, SecretRef]) -> dict[str, Found]:
        """Without those of which nothing was learned."""
        places = asyncio.Semaphore(CALLS_AT_ONCE)
        found: dict[str, Found] = {}
        unread: list[ApiError] = []

        async def ask(id_: str, ref: SecretRef) -> None:
            async with places:
                if len(unread) >= CALLS_AT_ONCE:
                    # The server is away: a deadline for each of the others would take minutes.
                    return
                try:
                    found[id_] = await self._get(ref)
                except ApiError as error:
                    unread.append(error)

        async with asyncio.TaskGroup() as tasks:
            for id_, ref in refs.items():
                tasks.create_task(ask(id_, ref))
        if unread:
            self._unread.failed(unread[0].fault, str(unread[0]))
        else:
            self._unread.succeeded()
        return found

    async def _get(self, ref: SecretRef) -> Found:
        """Raises ApiError where the answer says nothing about the Secret."""
        try:
            document = await self._calls.get(Target("", "v1", "secrets", ref.namespace, ref.name))
        except ApiError as error:
            return self._refused(ref, error)
        try:
            return read_secret(document, self._clock())
        except UnusableCertificate as error:
            return Faulty(_fault(f"{ref}: {error}"))

    def _refused(self, ref: SecretRef, error: ApiError) -> Faulty:
        if error.fault is Fault.FORBIDDEN:
            text = f"{FIELD}: the operator may not read {ref}: {self._grantee.command(ref)}"
            return Faulty(RefFault(VerdictReason.REF_NOT_PERMITTED, text), is_gone=True)
        if error.fault is Fault.NOT_FOUND:
            way_out = f"kubectl create secret tls {ref.name} -n {ref.namespace} --cert=tls.crt --key=tls.key"
            return Faulty(_fault(f"{ref} does not exist: {way_out}"), is_gone=True)
        raise error

    async def _copied(self, before: Holdings, after: Holdings) -> Holdings:
        """What is held once the copies are written; where they cannot be, what was held before."""
        try:
            is_written = await self._sink.write(copies_of(after))
        except ApiError as error:
            self._unwritten.failed(error.fault, str(error))
            text = f"the operator cannot keep its copy in {self._sink}: {error}"
            return {id_: _uncopied(before.get(id_), each, text) for id_, each in after.items()}
        self._unwritten.succeeded()
        if is_written:
            self._on_written()
        return after

    def _count(self) -> None:
        holdings = (self._holdings or {}).values()
        self._metrics.client_certificates.set(sum(1 for each in holdings if each.pem is not None))
        ends = [each.expires_at for each in holdings if each.pem is not None and each.expires_at is not None]
        self._metrics.client_certificate_expiry.set(min(ends, default=0))


def _fault(text: str) -> RefFault:
    return RefFault(VerdictReason.INVALID_CERTIFICATE_REF, f"{FIELD}: {text}")


def _uncopied(before: Holding | None, after: Holding, text: str) -> Holding:
    if before is not None and before.pem is not None:
        return replace(after, pem=before.pem)
    fault = after.fault or _fault(text)
    return replace(after, pem=None, fault=fault)
