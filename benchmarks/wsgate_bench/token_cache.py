"""`python -m wsgate_bench.token_cache`: what verifying a token costs, and what finding it in a cache does."""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from math import isnan
from pathlib import Path
from statistics import median

import uvloop
from tests.support.postgres import postgres
from tests.support.valkey import valkey
from tests.support.world import eventually

from wsgate_dataplane.identity.cache import TokenCache
from wsgate_dataplane.identity.compact import UnverifiedToken, parse_compact
from wsgate_dataplane.identity.provider import ProviderConfig, Providers
from wsgate_dataplane.identity.stores.opening import open_token_cache
from wsgate_dataplane.settings import Settings
from wsgate_dataplane.telemetry.metrics import CACHE_FINDINGS, Metrics

from .tokens import AUDIENCE, ISSUER, Issuer

TOKENS = 400
REPEATS = 9
WIDTHS = (1, 16)
"""Handshakes at once."""
ATTEMPTS_MAX = 20
SETTLE_SECONDS = 30.0
VERIFIED = "verified, no cache"


@dataclass(frozen=True)
class Case:
    """One way to learn that a signature is good."""

    name: str
    store: str | None
    """JWT_CACHE_STORE; None: no cache."""
    finding: str | None
    """Where every token must be found, so that the figure means what it says."""


CASES = (
    Case(VERIFIED, None, None),
    Case("memory, known", "memory", "memory"),
    Case("memory, unknown", "memory", "miss"),
    Case("Redis, known to another pod", "redis", "shared"),
    Case("Redis, unknown", "redis", "miss"),
    Case("PostgreSQL, known to another pod", "postgres", "shared"),
    Case("PostgreSQL, unknown", "postgres", "miss"),
)


@dataclass(frozen=True)
class Cost:
    """Of one token, in microseconds."""

    wall: float
    cpu: float
    """User and system time of this process; that of the store's server is not in it."""


class Pod:
    """A cache as a fresh process has it."""

    def __init__(self, cache: TokenCache | None, metrics: Metrics) -> None:
        self.providers = Providers(600, cache=cache)
        self._metrics = metrics

    def found(self) -> dict[str, float]:
        """How many tokens were found where."""
        name = "wsgate_token_cache_lookups_total"
        value = self._metrics.registry.get_sample_value
        return {each: value(name, {"finding": each}) or 0 for each in CACHE_FINDINGS}

    def has_store(self) -> bool:
        """Whether its shared store is in use, or it has none."""
        value = self._metrics.registry.get_sample_value("wsgate_token_cache_store_up")
        return value == 1 or value is None or isnan(value)

    async def verify(self, tokens: Sequence[UnverifiedToken], config: ProviderConfig, width: int) -> Cost:
        """All tokens, width at a time."""
        remaining = iter(tokens)

        async def handshakes() -> None:
            for token in remaining:
                await self.providers.verify(token, (config,))

        wall, cpu = time.perf_counter_ns(), time.process_time_ns()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(width):
                tasks.create_task(handshakes())
        wall, cpu = time.perf_counter_ns() - wall, time.process_time_ns() - cpu
        return Cost(wall / 1000 / len(tokens), cpu / 1000 / len(tokens))


@asynccontextmanager
async def _pod(case: Case, environ: Mapping[str, str]) -> AsyncIterator[Pod]:
    metrics = Metrics()
    if case.store is None:
        yield Pod(None, metrics)
        return
    cache = open_token_cache(Settings.load({**environ, "JWT_CACHE_STORE": case.store}), metrics)
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(each()) for each in cache.tasks]
        pod = Pod(cache, metrics)
        await eventually(pod.has_store, "the store is in use")
        yield pod
        for task in running:
            task.cancel()


async def _settled(
    case: Case, environ: Mapping[str, str], tokens: Sequence[UnverifiedToken], config: ProviderConfig
) -> None:
    """Have another pod verify all tokens, until the store has told of each."""
    async with asyncio.timeout(SETTLE_SECONDS):
        while True:
            async with _pod(case, environ) as pod:
                await pod.verify(tokens, config, 16)
                if pod.found()["shared"] == len(tokens):
                    return
                await asyncio.sleep(0.2)


async def _measure(environ: Mapping[str, str], repeats: int) -> dict[tuple[str, int], list[Cost]]:
    issuer = Issuer.generate()
    config = ProviderConfig(
        issuer=ISSUER,
        jwks_uri=None,
        jwks_inline=issuer.jwks(),
        ca_bundle=None,
        audiences=(AUDIENCE,),
        authorized_parties=(),
        algorithms=("RS256",),
        scope="known",
    )
    spare, *tokens = (parse_compact(raw) for raw in issuer.tokens(TOKENS + 1))
    for case in CASES:
        if case.finding == "shared":
            await _settled(case, environ, tokens, config)
    costs: dict[tuple[str, int], list[Cost]] = {(case.name, width): [] for case in CASES for width in WIDTHS}
    for repeat in range(repeats):
        sys.stderr.write(f"repeat {repeat + 1} of {repeats}\n")
        first = repeat % len(CASES)
        for case in (*CASES[first:], *CASES[:first]):
            for width in WIDTHS:
                for attempt in range(ATTEMPTS_MAX):
                    # Another scope is another provider, of which nothing is known: that needs no new tokens.
                    scope = "known" if case.finding != "miss" else f"{case.name} {repeat} {width} {attempt}"
                    scoped = replace(config, scope=scope)
                    if cost := await _one(case, environ, spare, tokens, scoped, width):
                        costs[case.name, width].append(cost)
                        break
                else:
                    raise RuntimeError(f"{case.name}: the machine is too busy for the store to answer in time")
    return costs


async def _one(
    case: Case,
    environ: Mapping[str, str],
    spare: UnverifiedToken,
    tokens: Sequence[UnverifiedToken],
    config: ProviderConfig,
    width: int,
) -> Cost | None:
    """None where a token was not found where the case wants it: the store was taken for slow."""
    async with _pod(case, environ) as pod:
        # The first token has the keys built; it is none of those that are measured.
        await pod.verify([spare, *(tokens if case.finding == "memory" else ())], config, 1)
        before = pod.found()
        cost = await pod.verify(tokens, config, width)
        after = pod.found()
        if case.finding is not None and after[case.finding] - before[case.finding] != len(tokens):
            return None
        return cost


def _report(costs: Mapping[tuple[str, int], list[Cost]]) -> Iterator[str]:
    """Medians; ratios are formed within each repeat before the median is taken."""
    for width in WIDTHS:
        yield f"\n{width} at a time\n\n"
        yield "| | wall, µs | CPU, µs | wall, of verifying | CPU, of verifying |\n|---|---|---|---|---|\n"
        base = costs[VERIFIED, width]
        for case in CASES:
            own = costs[case.name, width]
            wall = median(each.wall / other.wall for each, other in zip(own, base, strict=True))
            cpu = median(each.cpu / other.cpu for each, other in zip(own, base, strict=True))
            cells = (median(each.wall for each in own), median(each.cpu for each in own))
            yield f"| {case.name} | {cells[0]:.0f} | {cells[1]:.0f} | {wall:.2f} | {cpu:.2f} |\n"


def main() -> int:
    """Start both servers, measure, print Markdown."""
    parser = argparse.ArgumentParser(prog="wsgate_bench.token_cache", description=__doc__)
    parser.add_argument("--repeats", type=int, default=REPEATS, help="default %(default)s")
    repeats = parser.parse_args().repeats
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wsgate-bench-")))
        redis_server = stack.enter_context(valkey(folder))
        database = stack.enter_context(postgres())
        environ = {"REDIS_URL": redis_server.url, "POSTGRES_DSN": database.dsn, "WSGATE_CACHE_KEY": "k" * 32}
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            costs = runner.run(_measure(environ, repeats))
    sys.stdout.writelines(_report(costs))
    return 0


if __name__ == "__main__":
    sys.exit(main())
