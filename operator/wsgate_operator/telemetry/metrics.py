"""Every metric of the operator."""

from typing import Literal, get_args

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

from wsgate_contract.rendered import Content

CONTENT_TYPE = CONTENT_TYPE_LATEST
KINDS = ("WsRoute", "TokenRevocation")
Task = Literal[
    "restore",
    "list",
    "watch",
    "decide",
    "write",
    "second-channel",
    "mark",
    "pods",
    "verify",
    "tell",
    "log",
    "secrets",
]
"""What the operator does at once, each of which goes on when a defect ends one of its passes."""
RENDER_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """The metrics of one operator, over a registry of its own."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library forgot the annotation
        self.registry = CollectorRegistry()
        self.api_calls = self._counter("api_calls", "Calls of the watch and of listings.", "verb", "outcome")
        self.objects = self._gauge("objects", "Objects of this gateway.", "kind", "accepted")
        self.held_objects = self._gauge("held_objects", "Vanished in bulk and kept for a while.", "kind")
        self.render_seconds = Histogram(
            "wsgate_operator_render_seconds",
            "From the objects to the written result.",
            buckets=RENDER_BUCKETS,
            registry=self.registry,
        )
        self.render_failures = self._counter("render_failures", "Passes whose result was not written in full.")
        self.defects = self._counter("defects", "Passes that a defect ended; they are tried again.", "task")
        self.routes_version = self._gauge("routes_version", "Version of the rendered routes that is written.")
        self.listed_timestamp_seconds = self._gauge(
            "listed_timestamp_seconds", "Unix time of the last complete listing."
        )
        self.configmap_restored = self._counter("configmap_restored", "ConfigMaps put right.", "content")
        self.status_failures = self._counter("status_failures", "Statuses that could not be written.")
        self.events_withheld = self._gauge("events_withheld", "Kubernetes Events beyond a namespace's share.")
        self.redis_up = self._gauge(
            "redis_up", "Whether the revocation log is written and verified; absent without Redis."
        )
        self.redis_rewritten = self._counter("redis_rewritten", "Times the log was written anew.", "why")
        self.inbox_records = self._gauge("inbox_records", "Records of pods that are not folded yet.")
        self.inbox_refused = self._counter("inbox_refused", "Entries of the inbox that are no records.")
        self.event_records = self._gauge("event_records", "Records in force that entered at pods.")
        self.records_left_out = self._gauge(
            "records_left_out", "Records that do not fit into the ConfigMap, the second channel."
        )
        self.client_certificates = self._gauge(
            "client_certificates", "Client certificates that are copied for the data plane."
        )
        self.client_certificate_expiry = self._gauge(
            "client_certificate_expiry_timestamp_seconds",
            "Unix time at which the first of the copied client certificates expires; 0: there is none.",
        )
        self.live_pods = self._gauge("live_pods", "Data-plane pods with a live lease in Redis.")
        self._begin(self.defects, get_args(Task))
        self._begin(self.configmap_restored, get_args(Content))

    def exposition(self) -> bytes:
        """The page for Prometheus, to be served as CONTENT_TYPE."""
        return generate_latest(self.registry)

    def _begin(self, counter: Counter, values: tuple[str, ...]) -> None:
        # increase() over a counter that is born with its first event would miss that event.
        for value in values:
            counter.labels(value)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"wsgate_operator_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"wsgate_operator_{name}", text, labels, registry=self.registry)
