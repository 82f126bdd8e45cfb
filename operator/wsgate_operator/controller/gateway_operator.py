"""All that the operator does at once: watch, list, render, look after Redis and the ConfigMaps, tell."""

import asyncio
import contextlib
import gc
import logging
import time
import traceback
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import NoReturn

from aiohttp import web
from kubernetes.aio.client import ApiClient

from wsgate_contract.address import Address
from wsgate_contract.rendered import Content
from wsgate_contract.revocation_log import Keys
from wsgate_operator.controller.certificates import Certificates, Grantee
from wsgate_operator.controller.log_channel import LogChannel
from wsgate_operator.controller.objects import Objects
from wsgate_operator.controller.pod_marks import PodMarks
from wsgate_operator.controller.rendering import Rendering
from wsgate_operator.controller.second_channel import SecondChannel
from wsgate_operator.controller.statuses import Progress, Statuses
from wsgate_operator.settings import ClusterSettings
from wsgate_operator.sinks.api_calls import ApiCalls
from wsgate_operator.sinks.api_error import ApiError
from wsgate_operator.sinks.configmap import ConfigMapSink, Written
from wsgate_operator.sinks.events import EventSink, News
from wsgate_operator.sinks.lasting_fault import LastingFault
from wsgate_operator.sinks.pods import PodsSink
from wsgate_operator.sinks.revocation_log.connect import connect
from wsgate_operator.sinks.revocation_log.log import VERIFY_SECONDS
from wsgate_operator.sinks.secret import SecretSink
from wsgate_operator.sinks.status import StatusSink
from wsgate_operator.sources.cluster.cache import Document, ObjectCache
from wsgate_operator.sources.cluster.listing import Lister, ListError
from wsgate_operator.sources.cluster.watch import keep_watching
from wsgate_operator.telemetry.metrics import Metrics, Task
from wsgate_operator.telemetry.pages import make_pages
from wsgate_operator.translate.options import Options
from wsgate_operator.translate.verdict import Kind

QUIET_SECONDS = 0.3
"""Changes of routes are rendered when none has come for so long,"""
DEBOUNCE_SECONDS = 2.0
"""but never later than this. Revocations do not wait."""
AGAIN_SECONDS = 2.0
"""Pause before what could not be written is tried again."""
RELIST_SECONDS = 1.0
"""Least pause between two listings."""
ROUTES_SECONDS = 1.0
"""Least pause between two writes of the routes, which may fill a MiB."""
SECOND_CHANNEL_SECONDS = 0.5
"""Pause between looks whether the second channel needs a confirmation; changes are looked at at once."""
PODS_SECONDS = 5.0
"""Pause between listings of the pods."""
VERIFY_CONFIGMAPS_SECONDS = 10.0
SECRETS_SECONDS = 1.0
"""Least pause between two looks at the Secrets that routes name."""
STATUS_SECONDS = 0.5
"""Least pause between two passes over the statuses."""
PAGES_SHUTDOWN_SECONDS = 0.5
CONTENTS: Mapping[Kind, Content] = {"WsRoute": "routes", "TokenRevocation": "revocations"}
STUCK_SECONDS = 180.0
"""A pass that takes longer hangs: the process is better begun anew."""

_log = logging.getLogger("wsgate.operator")


class Operator:
    """One operator of one gateway; run() until cancelled. Raises ValueError for an address or URL that is none."""

    def __init__(self, settings: ClusterSettings, api: ApiClient, instance: str) -> None:
        self._settings = settings
        try:
            self._address = Address.parse(settings.admin_listen)
        except ValueError as error:
            raise ValueError(f"WSGATE_ADMIN_LISTEN: {error}") from None
        self._api = api
        self.metrics = Metrics()
        calls, clock = ApiCalls(api), time.time
        gateway, namespace = settings.gateway_name, settings.namespace
        self._cache = ObjectCache()
        self._objects = Objects(self._cache, gateway, time.monotonic)
        self._routes = ConfigMapSink(calls, gateway, namespace, "routes")
        self._revocations = ConfigMapSink(calls, gateway, namespace, "revocations")
        self._sinks: dict[Content, ConfigMapSink] = {"routes": self._routes, "revocations": self._revocations}
        self._pods = PodsSink(calls, gateway, namespace)
        self._marks = PodMarks(self._pods)
        self._log_channel = self._connect(clock)
        self._second = SecondChannel(
            self._revocations, clock, settings.revocation_confirm_seconds, self._second_written, self.metrics
        )
        self._certificates = Certificates(
            calls,
            SecretSink(calls, gateway, namespace),
            Grantee(namespace, settings.service_account, gateway),
            settings.root_namespace,
            settings.secret_poll_seconds,
            clock,
            self.metrics,
            lambda: self._marks.note("secrets", f"{clock():.0f}"),
        )
        self._rendering = Rendering(
            self._objects,
            _options(settings),
            self._routes,
            self._log_channel,
            self._second,
            self._marks,
            self._certificates,
            self.metrics,
        )
        self._events = EventSink(calls, clock, instance)
        self._statuses = Statuses(
            StatusSink(calls, clock),
            self._events,
            self._objects.document,
            clock,
            self.metrics,
        )
        self._lister = Lister(api, on_call=self._called)
        self._pod_names: tuple[str, ...] | None = None
        self._listed, self._relist, self._decided = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._rendered, self._statuses_due, self._watching = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._decided_since = 0.0
        self._is_remembered = False
        self._began: dict[Task, float] = {}
        self._defects = defaultdict[Task, LastingFault](partial(LastingFault, "pass-failed"))
        self._unread, self._unlisted = LastingFault("ConfigMaps not read"), LastingFault("objects not listed")
        self._unverified = {sink: LastingFault("ConfigMap not verified") for sink in self._sinks.values()}
        if self._log_channel is None:
            # Zero would say that Redis is down.
            self.metrics.registry.unregister(self.metrics.redis_up)

    async def run(self) -> NoReturn:
        """Work until cancelled; raises OSError where the pages cannot be served."""
        pages = web.AppRunner(
            make_pages(self.metrics, self._stuck_because, self._unready_because),
            access_log=None,
            shutdown_timeout=PAGES_SHUTDOWN_SECONDS,
        )
        try:
            await pages.setup()
            await web.TCPSite(pages, self._address.host, self._address.port).start()
            await self._work()
        finally:
            await pages.cleanup()
            if self._log_channel is not None:
                await self._log_channel.close()
        raise AssertionError("the tasks end by cancellation only")

    async def _work(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._list_for_ever())
            await self._restore()
            tasks.create_task(self._decide_for_ever())
            tasks.create_task(self._write_for_ever())
            tasks.create_task(self._every("mark", 0.0, self._marks.make_round))
            tasks.create_task(self._every("secrets", SECRETS_SECONDS, self._look_at_secrets))
            await self._rendered.wait()
            # Not before: parsing the first events would hold up the first pass.
            tasks.create_task(self._every("watch", AGAIN_SECONDS, self._watch))
            tasks.create_task(self._every("second-channel", 0.0, self._write_second))
            tasks.create_task(self._every("pods", PODS_SECONDS, self._list_pods))
            tasks.create_task(self._every("verify", VERIFY_CONFIGMAPS_SECONDS, self._verify_configmaps))
            tasks.create_task(self._tell_for_ever())
            if self._log_channel is not None:
                tasks.create_task(self._every("log", VERIFY_SECONDS, self._look_after_log))

    def _connect(self, clock: Callable[[], float]) -> LogChannel | None:
        url = self._settings.redis_url
        if url is None:
            return None
        try:
            client = connect(url.get_secret_value())
        except ValueError as error:
            raise ValueError(f"WSGATE_REVOCATION_REDIS_URL (or REDIS_URL): {error}") from error
        keys = Keys(self._settings.gateway_name)
        return LogChannel(client, keys, clock, self.metrics, self._settings.redis_eviction)

    async def _restore(self) -> None:
        """What a former life has written, before the first pass."""
        while True:
            if await self._guarded("restore", self._is_restored):
                return
            await asyncio.sleep(AGAIN_SECONDS)

    async def _is_restored(self) -> bool:
        try:
            self._rendering.restore(await self._routes.load(), await self._revocations.load())
        except ApiError as error:
            self._unread.failed(error.fault, str(error))
            await asyncio.sleep(error.retry_after or 0.0)
            return False
        self._unread.succeeded()
        return True

    async def _list_for_ever(self) -> NoReturn:
        while True:
            self._relist.clear()
            is_listed = await self._guarded("list", self._is_listed)
            await asyncio.sleep(RELIST_SECONDS)
            if is_listed:
                await _wait(self._relist, self._settings.resync_seconds)

    async def _is_listed(self) -> bool:
        try:
            listing = await self._lister.list_all()
        except ListError as error:
            self._unlisted.failed("List", str(error))
            return False
        self._unlisted.succeeded()
        listed: Mapping[Kind, tuple[Document, ...]] = {
            "TokenRevocation": listing.revocations,
            "WsRoute": listing.routes,
        }
        for kind, documents in listed.items():
            self._objects.note_vanished(kind, self._cache.replace(kind, documents, listing.versions[kind]))
        self.metrics.listed_timestamp_seconds.set_to_current_time()
        self._listed.set()
        self._statuses_due.set()
        return True

    async def _watch(self) -> NoReturn:
        await keep_watching(
            self._cache, self._api, self._watching, on_relist=self._relist.set, on_call=self._called
        )

    async def _decide_for_ever(self) -> NoReturn:
        await self._listed.wait()
        while True:
            self._cache.take()
            began = time.monotonic()
            is_decided = await self._measured("decide", self._decide)
            if is_decided:
                self._decided_since = began
                self._decided.set()
            await self._until_due(is_complete=is_decided)

    async def _write_for_ever(self) -> NoReturn:
        while True:
            await self._decided.wait()
            self._decided.clear()
            began, version = self._decided_since, self._rendering.routes_version
            is_written = await self._measured("write", self._rendering.write)
            self._rendered.set()
            self._statuses_due.set()
            if is_written:
                self.metrics.render_seconds.observe(time.monotonic() - began)
                if self._rendering.routes_version != version:
                    await asyncio.sleep(ROUTES_SECONDS)
            else:
                await asyncio.sleep(AGAIN_SECONDS)
                self._decided.set()

    async def _decide(self) -> bool:
        if not self._is_remembered:
            # After a restart no version may come twice, even if the ConfigMap was lost meanwhile.
            self._routes.remember(self._highest_programmed())
            self._is_remembered = True
        return await self._rendering.decide()

    async def _measured(self, task: Task, step: Callable[[], Awaitable[bool]]) -> bool:
        """A pass that is stuck when it takes too long."""
        self._began[task] = time.monotonic()
        try:
            is_done = await self._guarded(task, step)
        finally:
            del self._began[task]
        if not is_done:
            self.metrics.render_failures.inc()
        return is_done

    async def _guarded(self, task: Task, step: Callable[[], Awaitable[bool | None]]) -> bool:
        """Whether the step did its work; a step that answers nothing did."""
        try:
            is_done = await step()
        except Exception as error:  # noqa: BLE001  # whatever one object makes of a pass, the operator goes on
            # No object's content may end the operator; what was written stays in force.
            detail = f"{task}: {traceback.format_exc()}report this as a defect"
            self._defects[task].failed(type(error).__name__, detail)
            self.metrics.defects.labels(task).inc()
            return False
        self._defects[task].succeeded()
        return is_done is not False

    async def _every(self, task: Task, seconds: float, step: Callable[[], Awaitable[bool | None]]) -> NoReturn:
        while True:
            is_done = await self._guarded(task, step)
            await asyncio.sleep(seconds if is_done else max(seconds, AGAIN_SECONDS))

    async def _until_due(self, *, is_complete: bool) -> None:
        """Until something has changed and is quiet, or the brake lets go, or a failed write is due again."""
        pauses = [] if is_complete else [AGAIN_SECONDS]
        if (release_at := self._objects.release_at) is not None:
            pauses.append(max(0.0, release_at - time.monotonic()))
        if not await _wait(self._cache.changed, min(pauses, default=None)):
            return
        taken, deadline = self._cache.take(), time.monotonic() + DEBOUNCE_SECONDS
        while not taken.revocations and (left := deadline - time.monotonic()) > 0:
            if not await _wait(self._cache.changed, min(QUIET_SECONDS, left)):
                return
            taken = taken | self._cache.take()

    async def _look_at_secrets(self) -> None:
        is_early = await _wait(self._certificates.due, self._settings.secret_poll_seconds)
        if await self._certificates.look(is_full=not is_early):
            self._cache.note_reference()

    async def _write_second(self) -> None:
        await _wait(self._second.changed, SECOND_CHANNEL_SECONDS)
        self._second.changed.clear()
        await self._second.step(is_alone=self._rendering.is_alone or self._is_a_pod_cut_off)

    @property
    def _is_a_pod_cut_off(self) -> bool:
        """Whether a live pod holds no lease: it may see the ConfigMap only, which must then confirm."""
        leases = None if self._log_channel is None else self._log_channel.leases
        return leases is not None and not leases.keys() >= set(self._pod_names or ())

    def _second_written(self, written: Written, now: float) -> None:
        self._marks.note("revocations", f"{written.version}@{now:.0f}")
        self._statuses_due.set()

    async def _look_after_log(self) -> None:
        log = self._log_channel
        assert log is not None
        before = (log.published, log.leases, log.events)
        await log.look(self._pod_names)
        if (log.published, log.leases, log.events) != before:
            # Events that were folded belong into the ConfigMap too.
            self._rendering.want_records()
            self._statuses_due.set()

    async def _list_pods(self) -> None:
        if self._log_channel is None:
            return
        # A fault is told by those who annotate them.
        with contextlib.suppress(ApiError):
            pods = await self._pods.list()
            # One that waits for a node holds no lease, and misses nothing.
            self._pod_names = tuple(pod.name for pod in pods if pod.is_live and pod.phase == "Running")

    async def _verify_configmaps(self) -> None:
        for content, sink in self._sinks.items():
            try:
                restored = await sink.verify()
            except ApiError as error:
                self._unverified[sink].failed(error.fault, str(error))
                continue
            self._unverified[sink].succeeded()
            if restored is None or not restored.changed:
                continue
            _log.warning("configmap-restored", extra={"fields": {"content": content}})
            self.metrics.configmap_restored.labels(content).inc()
            if sink is self._routes:
                self._rendering.note_restored(restored)
            else:
                self._second_written(restored, time.time())

    async def _tell_for_ever(self) -> NoReturn:
        if self._log_channel is not None:
            # Else each status would first tell that no pod is known, and a moment later what is.
            await self._guarded("pods", self._list_pods)
            await self._guarded("log", self._look_after_log)
        is_settled = False
        while True:
            await self._statuses_due.wait()
            self._statuses_due.clear()
            if not await self._guarded("tell", self._tell):
                await asyncio.sleep(AGAIN_SECONDS)
                self._statuses_due.set()
            elif not is_settled:
                is_settled = True
                # What is there now mostly stays; looking through it for cycles holds up a revocation for as
                # long as 0.3 s with thousands of objects, every other second.
                gc.collect()
                gc.freeze()
            await asyncio.sleep(STATUS_SECONDS)

    async def _tell(self) -> bool:
        await self._tell_held()
        return await self._statuses.write(self._progress())

    async def _tell_held(self) -> None:
        """The brake's news stand with the ConfigMap that it guards: the objects are gone."""
        news, self._rendering.held_news = self._rendering.held_news, {}
        for kind, text in news.items():
            name = f"{self._settings.gateway_name}-{CONTENTS[kind]}"
            told = News("ConfigMap", self._settings.namespace, name, "", "Warning", "ObjectsMissing", "Hold", text)
            await self._events.tell(told)

    def _progress(self) -> Progress:
        log, rendering, told = self._log_channel, self._rendering, self._rendering.told
        published = None if log is None else log.published
        return Progress(
            translation=told.translation,
            generations=told.generations,
            routes_version=rendering.routes_version,
            written_keys=rendering.written_keys,
            routes_fault=rendering.routes_fault,
            log_ids=rendering.log_ids,
            cursor=None if published is None else published.cursor,
            file_ids=self._second.standing,
            revocations_fault=self._second.fault,
            leases=None if log is None else log.leases,
        )

    def _highest_programmed(self) -> int:
        versions = [0]
        for each in self._cache.objects():
            document = self._cache.document(each.kind, each.key) or {}
            version = (document.get("status") or {}).get("programmedVersion")
            versions.append(version if isinstance(version, int) else 0)
        return max(versions)

    def _called(self, verb: str, outcome: str) -> None:
        self.metrics.api_calls.labels(verb, outcome).inc()

    def _stuck_because(self) -> str | None:
        if any(time.monotonic() - began > STUCK_SECONDS for began in self._began.values()):
            return f"a pass takes longer than {STUCK_SECONDS:.0f} seconds"
        return None

    def _unready_because(self) -> str | None:
        return None if self._rendered.is_set() else "the objects are not listed and rendered yet"


def _options(settings: ClusterSettings) -> Options:
    return Options(
        root_namespace=settings.root_namespace,
        gateway_name=settings.gateway_name,
        host_ownership=settings.host_ownership,
        has_environment_provider=settings.has_environment_provider,
        tenant_destinations=settings.tenant_destinations,
        allow_cidrs=settings.allow_cidrs,
        cluster_domain=settings.cluster_domain,
    )


async def _wait(event: asyncio.Event, seconds: float | None) -> bool:
    """Whether the event came in time; None: wait for ever."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
