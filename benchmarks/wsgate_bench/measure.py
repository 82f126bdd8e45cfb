"""Measuring: every scenario with every peer in turn, repeat after repeat."""

import dataclasses
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from .load_client import Task
from .peers import DIRECT, PEERS, PYTHON_ENVIRONMENT, Site, module_command, upstream_program
from .processes import Process, ProcessFailed, free_port, started, talking
from .scenarios import Scenario, tokens_needed
from .tokens import Issuer

STAGE_SECONDS_MAX = 120


@dataclass(frozen=True)
class Sample:
    """One measurement: cost of one operation in the scenario's unit, operations a second; or why there is none."""

    scenario: str
    peer: str
    repeat: int
    cost: float = 0
    rate: float = 0
    failure: str = ""


@dataclass(frozen=True)
class Target:
    """Where clients connect to and whose resources are read."""

    process: Process
    port: int


@dataclass(frozen=True)
class Plan:
    """A whole run."""

    scenarios: tuple[Scenario, ...]
    peers: tuple[str, ...]
    repeats: int


def measure_all(plan: Plan, progress: Callable[[str], None]) -> Iterator[Sample]:
    """All samples in the order in which they were taken."""
    issuer = Issuer.generate()
    offsets = tokens_needed(plan.scenarios)
    progress(f"signing {offsets['']} tokens")
    with tempfile.TemporaryDirectory(prefix="wsgate-bench-") as name:
        folder = Path(name)
        # The nginx worker may be another user.
        folder.chmod(0o755)
        token_file = folder / "tokens"
        token_file.write_text("\n".join(issuer.tokens(offsets[""])))
        for repeat in range(plan.repeats):
            with ExitStack() as stack:
                site = folder / str(repeat)
                site.mkdir()
                targets = _start(plan.peers, site, issuer.jwks(), stack)
                for scenario in plan.scenarios:
                    # Each repeat begins with another peer, so that none always runs on a warmed-up machine.
                    turn = repeat % len(plan.peers)
                    for peer in plan.peers[turn:] + plan.peers[:turn]:
                        if peer == DIRECT and scenario.kind == "idle":
                            # The upstream has served the other peers' sessions: its memory is not fresh.
                            continue
                        task = _task(scenario, targets[peer].port, token_file, offsets[scenario.name])
                        sample = _measure(scenario, peer, repeat, targets[peer].process, task, site)
                        progress(f"{repeat + 1}/{plan.repeats} {_words(sample, scenario)}")
                        yield sample


def _start(peers: tuple[str, ...], folder: Path, jwks: str, stack: ExitStack) -> dict[str, Target]:
    upstream_port = free_port()
    upstream = stack.enter_context(started("upstream", upstream_program(upstream_port), folder))
    targets = {}
    for peer in peers:
        if peer == DIRECT:
            targets[peer] = Target(upstream, upstream_port)
            continue
        home = folder / peer
        home.mkdir()
        site = Site(home, free_port(), upstream_port, jwks)
        targets[peer] = Target(stack.enter_context(started(peer, PEERS[peer](site), home)), site.port)
    return targets


def _task(scenario: Scenario, port: int, token_file: Path, first_token: int) -> Task:
    return Task(
        kind=scenario.kind,
        port=port,
        token_file=str(token_file),
        first_token=first_token,
        warm=scenario.warm,
        count=scenario.count,
        payload_bytes=scenario.payload_bytes,
        window=scenario.window,
        concurrency=scenario.concurrency,
        seconds=scenario.seconds,
    )


def _measure(scenario: Scenario, peer: str, repeat: int, process: Process, task: Task, folder: Path) -> Sample:
    try:
        cost, rate = _cost(process, task, folder)
    except (ProcessFailed, OSError) as error:
        return Sample(scenario.name, peer, repeat, failure=f"{error}\n{process.last_words()}".strip())
    return Sample(scenario.name, peer, repeat, cost, rate)


def _cost(process: Process, task: Task, folder: Path) -> tuple[float, float]:
    read = process.memory_kib if task.kind == "idle" else lambda: process.cpu_seconds() * 1e6
    command = module_command("load_client", json.dumps(dataclasses.asdict(task)))
    with talking("load-client", command, PYTHON_ENVIRONMENT, folder) as client:
        client.next_line(STAGE_SECONDS_MAX)
        before = read()
        client.go()
        report = json.loads(client.next_line(STAGE_SECONDS_MAX + task.seconds))
        after = read()
        client.finish(STAGE_SECONDS_MAX)
    return (after - before) / report["operations"], report["operations"] / report["seconds"]


def _words(sample: Sample, scenario: Scenario) -> str:
    outcome = sample.failure or f"{sample.cost:.1f} {scenario.unit}, {sample.rate:.0f}/s"
    return f"{sample.scenario} {sample.peer}: {outcome}"
