"""Kubernetes Events on our objects: news only, repeats as a series, never beyond a namespace's share."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from wsgate_operator.resources.metadata import API_VERSION
from wsgate_operator.sinks.api_calls import ApiCalls, Document, Target
from wsgate_operator.sinks.api_error import ApiError, Fault
from wsgate_operator.sinks.lasting_fault import LastingFault
from wsgate_operator.sinks.recent import Recent

CONTROLLER = "wsgate.dev/operator"
NOTE_BYTES_MAX = 1024
"""The API server refuses a longer note."""
REPEAT_SECONDS = 300.0
"""Pause before a repeated event is written again, with the count of what was seen meanwhile."""
NAMESPACE_BURST = 25
NAMESPACE_SECONDS_PER_EVENT = 10.0
"""What one namespace may cause; a route edited in a loop must not fill etcd."""
SERIES_MAX = 5_000
NAMESPACES_MAX = 1_000


@dataclass(frozen=True)
class News:
    """What to tell about an object: reason in one word, action what the operator did, note in words.

    uid: empty where it is not known.
    """

    kind: Literal["WsRoute", "TokenRevocation", "ConfigMap"]
    namespace: str
    name: str
    uid: str
    type: Literal["Normal", "Warning"]
    reason: str
    action: str
    note: str


@dataclass(frozen=True)
class _Series:
    """An event that stands at the API server."""

    event_name: str
    count: int
    written_at: float


@dataclass(frozen=True)
class _Allowance:
    events: float
    at: float


class EventSink:
    """Tells of changed verdicts; what cannot be told is counted or logged once, and never raised.

    clock answers Unix seconds; instance is the pod's name.
    """

    def __init__(self, calls: ApiCalls, clock: Callable[[], float], instance: str) -> None:
        self._calls = calls
        self._clock = clock
        self._instance = instance
        self._latest: Recent[str, News] = Recent(SERIES_MAX)
        self._series: Recent[News, _Series] = Recent(SERIES_MAX)
        self._allowances: Recent[str, _Allowance] = Recent(NAMESPACES_MAX)
        self._fault = LastingFault("events not written")
        self.withheld = 0
        """Events that were new but beyond a namespace's share."""

    async def tell(self, news: News) -> bool:
        """Write an event unless it is the object's latest already; answers whether one was written.

        What comes again within REPEAT_SECONDS is only counted.
        """
        about = news.uid or f"{news.kind} {news.namespace}/{news.name}"
        if self._latest.get(about) == news:
            return False
        self._latest.put(about, news)
        now = self._clock()
        series = self._series.get(news)
        if series is not None and now - series.written_at < REPEAT_SECONDS:
            self._series.put(news, replace(series, count=series.count + 1))
            return False
        if not self._may_write(news.namespace, now):
            self.withheld += 1
            return False
        try:
            self._series.put(news, await self._write(news, series, now))
        except ApiError as error:
            self._fault.failed(error.fault, str(error))
            return False
        self._fault.succeeded()
        return True

    def _may_write(self, namespace: str, now: float) -> bool:
        """A bucket for each namespace."""
        last = self._allowances.get(namespace) or _Allowance(NAMESPACE_BURST, now)
        events = min(NAMESPACE_BURST, last.events + max(0.0, now - last.at) / NAMESPACE_SECONDS_PER_EVENT)
        is_allowed = events >= 1
        self._allowances.put(namespace, _Allowance(events - is_allowed, now))
        return is_allowed

    async def _write(self, news: News, series: _Series | None, now: float) -> _Series:
        if series is not None:
            try:
                return await self._repeat(news, series, now)
            except ApiError as error:
                # Events expire, after an hour by default.
                if error.fault is not Fault.NOT_FOUND:
                    raise
        created = await self._calls.create(_events(news), self._event(news, now))
        return _Series(str(created["metadata"]["name"]), 1, now)

    async def _repeat(self, news: News, series: _Series, now: float) -> _Series:
        count = series.count + 1
        body: Document = {"series": {"count": count, "lastObservedTime": _micro_time(now)}}
        await self._calls.merge(replace(_events(news), name=series.event_name), body)
        return replace(series, count=count, written_at=now)

    def _event(self, news: News, now: float) -> Document:
        return {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"generateName": f"{news.name[:200].rstrip('.-')}-", "namespace": news.namespace},
            "eventTime": _micro_time(now),
            "type": news.type,
            "reason": news.reason,
            "action": news.action,
            "note": _shortened(news.note),
            "regarding": {
                "apiVersion": "v1" if news.kind == "ConfigMap" else API_VERSION,
                "kind": news.kind,
                "namespace": news.namespace,
                "name": news.name,
                **({"uid": news.uid} if news.uid else {}),
            },
            "reportingController": CONTROLLER,
            "reportingInstance": self._instance,
        }


def _events(news: News) -> Target:
    return Target("events.k8s.io", "v1", "events", news.namespace)


def _micro_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _shortened(note: str) -> str:
    encoded = note.encode()
    if len(encoded) <= NOTE_BYTES_MAX:
        return note
    return encoded[: NOTE_BYTES_MAX - 3].decode(errors="ignore") + "..."
