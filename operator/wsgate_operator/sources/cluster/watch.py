"""kopf watches the cluster: every event goes into the cache, in the loop of whoever asked for it.

kopf runs in a thread with a loop of its own. In ours it would take over the handling of signals, and
at its end cancel every task that was started after it.

It needs the verbs list and watch on both kinds, and discovery, which every account may read. Looking
for namespaces and CRDs, peering, Events, finalizers and annotations are all off: it writes nothing.

After it had to list anew, kopf tells what it found but not what is gone. So each of its lists is
reported by on_relist, and whoever renders must then make a list of their own, which is newer.
"""

import asyncio
import contextlib
import itertools
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

import aiohttp
import kopf
from kubernetes.aio.client import ApiClient

from wsgate_operator.resources.metadata import GROUP, VERSION
from wsgate_operator.sources.cluster.cache import Document, ObjectCache
from wsgate_operator.sources.cluster.listing import PAGE_OBJECTS, PLURALS, OnCall
from wsgate_operator.sources.cluster.traffic import Call, Fault, Traffic, TrafficNews

CANCEL_AGAIN_SECONDS = 0.1
"""kopf's watches may swallow a cancellation, though not every one."""

_log = logging.getLogger("wsgate.operator")


class WatchEndedError(Exception):
    """kopf has given up; the text says why. Start it anew after a pause."""


@dataclass(frozen=True)
class WatchTiming:
    """Deadlines and pauses, in seconds."""

    connect_seconds: float = 5.0
    list_seconds: float = 30.0
    silence_seconds: float = 70.0
    """A watch without any event is dead; the API server sends a bookmark every 60 s."""

    watch_seconds: int = 300
    """The API server ends a watch after this; it is renewed without a gap."""

    retry_seconds: tuple[float, ...] = (1.0, 1.0, 2.0, 3.0, 5.0, 8.0)
    """Pauses between attempts of a call that fails; the last one is repeated."""

    rewatch_seconds: float = 1.0
    """Least pause between two watches or two lists of a kind."""

    start_seconds: float = 60.0
    """Until then every kind must be watched: kopf waits in silence for kinds that discovery lacks."""

    stop_seconds: float = 10.0
    restart_seconds: float = 5.0
    """Pause of keep_watching() before it starts kopf anew."""


DEFAULT_TIMING = WatchTiming()


async def keep_watching(
    cache: ObjectCache,
    api: ApiClient,
    ready: asyncio.Event,
    *,
    on_relist: Callable[[], None],
    on_call: OnCall | None = None,
    timing: WatchTiming = DEFAULT_TIMING,
) -> NoReturn:
    """watch_objects() for ever: what makes kopf give up, such as one broken event, passes."""
    loop, told, faults = asyncio.get_running_loop(), "", dict[Call, Fault]()
    while True:
        began = loop.time()
        try:
            await watch_objects(
                cache, api, ready, on_relist=on_relist, on_call=on_call, timing=timing, faults=faults
            )
        except WatchEndedError as error:
            # The same reason soon again is the same fault.
            if str(error) != told or loop.time() - began > timing.start_seconds:
                fields = {"detail": str(error), "again_in_seconds": timing.restart_seconds}
                _log.error("watch-ended", extra={"fields": fields})
            told = str(error)
        await asyncio.sleep(timing.restart_seconds)


async def watch_objects(
    cache: ObjectCache,
    api: ApiClient,
    ready: asyncio.Event,
    *,
    on_relist: Callable[[], None],
    on_call: OnCall | None = None,
    timing: WatchTiming = DEFAULT_TIMING,
    faults: dict[Call, Fault] | None = None,
) -> NoReturn:
    """Feed the cache until cancelled; raises WatchEndedError when kopf ends by itself.

    Sets ready once both kinds are watched, and never clears it. on_relist is called after every list
    that kopf makes, also the first, and on_call for each of its requests; all of it in this loop.
    faults remembers over several lives of kopf what has been logged.
    """
    run = _Run(cache, api, ready, on_relist, on_call, timing, {} if faults is None else faults)
    # A daemon: a kopf that does not stop must not keep the process from ending.
    threading.Thread(target=run.in_thread, name="kopf", daemon=True).start()
    try:
        await asyncio.shield(run.ended)
    except asyncio.CancelledError:
        run.stop()
        # How it ends no longer matters, nor whether: nothing waits for a daemon.
        with contextlib.suppress(WatchEndedError, TimeoutError):
            async with asyncio.timeout(timing.stop_seconds):
                await asyncio.shield(run.ended)
        raise
    raise AssertionError("a run ends by an error only")


class _Run:
    """One life of kopf. Made in the caller's loop; in_thread() and all below it run in kopf's."""

    def __init__(
        self,
        cache: ObjectCache,
        api: ApiClient,
        ready: asyncio.Event,
        on_relist: Callable[[], None],
        on_call: OnCall | None,
        timing: WatchTiming,
        faults: dict[Call, Fault],
    ) -> None:
        self._cache = cache
        self._ready = ready
        self._on_relist = on_relist
        self._on_call = on_call
        self._timing = timing
        self._loop = asyncio.get_running_loop()
        self._kopf_loop = asyncio.new_event_loop()
        self._operating: asyncio.Task[None] | None = None
        self._is_stopped = self._has_given_up = False
        self._unwatched = set(PLURALS.values())
        self._sessions: list[aiohttp.ClientSession] = []
        self._faults = faults
        news = TrafficNews(self._called, self._listed, self._watching)
        self._traffic = Traffic(
            api, news, faults, retry_seconds=timing.retry_seconds, rewatch_seconds=timing.rewatch_seconds
        )
        self.ended: asyncio.Future[NoReturn] = self._loop.create_future()

    def stop(self) -> None:
        """Ask kopf to end; from any thread."""
        # Its loop may have been closed already.
        with contextlib.suppress(RuntimeError):
            self._kopf_loop.call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        self._is_stopped = True
        if self._operating is not None:
            self._operating.cancel()

    def in_thread(self) -> None:
        """Run kopf to its end, and report it."""
        with asyncio.Runner(loop_factory=lambda: self._kopf_loop) as runner:
            runner.run(self._operate())

    def _end(self, error: WatchEndedError) -> None:
        # Nobody waits any more after stop_seconds.
        if not self.ended.done():
            self.ended.set_exception(error)
            # Marks it as seen: whoever stopped kopf may have gone.
            self.ended.exception()

    def _why(self, failure: str) -> str:
        if not self._has_given_up:
            return failure
        missing = ", ".join(sorted(self._unwatched))
        faults = "; ".join(dict.fromkeys(fault.detail for fault in self._faults.values()))
        reason = faults or "discovery does not know them, check that the CRDs are applied"
        return f"no watch of {missing} in {self._timing.start_seconds:g} s: {reason}"

    async def _operate(self) -> None:
        # It tells each retry of each call; what matters of that is told once, by traffic.
        logging.getLogger("kopf").setLevel(logging.CRITICAL)
        self._operating = asyncio.current_task()
        deadline = self._kopf_loop.call_later(self._timing.start_seconds, self._give_up)
        reason = "kopf ended without saying why"
        try:
            if not self._is_stopped:
                await self._run_kopf()
        except (Exception, asyncio.CancelledError) as failure:  # noqa: BLE001  # kopf's errors are private
            reason = f"kopf ended, {type(failure).__name__}: {failure}"
        self._operating = None
        deadline.cancel()
        await self._clear_up()
        self._post(self._end, WatchEndedError(self._why(reason)))

    async def _run_kopf(self) -> None:
        # Not kopf.operator(): after a failure it waits 5 s for the other watch, whose cancellation it
        # then may swallow, and so never returns.
        tasks = await kopf.spawn_tasks(
            registry=self._registry(),
            settings=_settings(self._timing),
            # Else kopf asks who the user is, and in a container nobody knows a uid of ours.
            identity="wsgate-operator",  # type: ignore[arg-type]  # a str whose type kopf keeps to itself
            standalone=True,
            clusterwide=True,
        )
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    async def _clear_up(self) -> None:
        """End every task of kopf's loop, and close its connections."""
        self._traffic.is_ending = True
        # kopf trips over its own callbacks when it is cancelled in the midst of a request.
        self._kopf_loop.set_exception_handler(lambda _loop, _context: None)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._timing.stop_seconds):
                while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
                    for task in tasks:
                        task.cancel()
                    await asyncio.wait(tasks, timeout=CANCEL_AGAIN_SECONDS)
        for session in self._sessions:
            await session.close()

    def _give_up(self) -> None:
        if self._unwatched:
            self._has_given_up = True
            self._cancel()

    def _registry(self) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()
        kopf.on.login(registry=registry, id="login")(self._login)
        for plural in PLURALS.values():
            kopf.on.event(GROUP, VERSION, plural, registry=registry, id=plural)(self._event)
        return registry

    async def _login(self, **_: Any) -> kopf.AiohttpSession:
        """Called at the start only, for no 401 reaches kopf."""
        session = self._traffic.open_session()
        self._sessions.append(session)
        return kopf.AiohttpSession(server=self._traffic.server, aiohttp_session=session)

    async def _event(self, event: kopf.RawEvent, **_: Any) -> None:
        is_deletion = event["type"] == "DELETED"
        self._post(self._feed, self._cache.discard if is_deletion else self._cache.put, event["object"])

    def _feed(self, change: Callable[[Document], None], document: Document) -> None:
        try:
            change(document)
        except ValueError:
            # Not of any object we could name: a list tells what there really is.
            self._on_relist()

    def _called(self, call: Call, outcome: str) -> None:
        if self._on_call is not None:
            self._post(self._on_call, call.verb, outcome)

    def _listed(self, plural: str) -> None:
        if plural in PLURALS.values():
            self._post(self._on_relist)

    def _watching(self, plural: str) -> None:
        if self._unwatched:
            self._unwatched.discard(plural)
            if not self._unwatched:
                _log.info("watching", extra={"fields": {"resources": sorted(PLURALS.values())}})
                self._post(self._ready.set)

    def _post(self, function: Callable[..., None], *arguments: Any) -> None:
        """Call it in the caller's loop, unless that is gone."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function, *arguments)


@dataclass(frozen=True)
class _Endless:
    """kopf gives up for good when the pauses are at their end, and takes any iterable."""

    pauses: tuple[float, ...]

    def __iter__(self) -> Iterator[float]:
        return itertools.chain(self.pauses, itertools.repeat(self.pauses[-1]))


def _settings(timing: WatchTiming) -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    # Else a kopf that fails would kill the process some minutes later.
    settings.process.ultimate_exiting_timeout = None
    settings.networking.connect_timeout = timing.connect_seconds
    settings.networking.request_timeout = timing.list_seconds
    settings.networking.error_backoffs = _Endless(timing.retry_seconds)
    settings.watching.chunk_size = PAGE_OBJECTS
    settings.watching.connect_timeout = timing.connect_seconds
    settings.watching.server_timeout = timing.watch_seconds
    settings.watching.client_timeout = timing.watch_seconds + timing.list_seconds
    settings.watching.inactivity_timeout = timing.silence_seconds
    settings.watching.reconnect_backoff = timing.rewatch_seconds
    return settings
