"""Measuring: every scenario with every peer in turn, repeat after repeat."""

import dataclasses
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from .load_client import Task
from .peers import DIRECT, PEERS, upstream_program
from .processes import Conversation, Process, ProcessFailed, free_port, started, talking
from .scenarios import Scenario, tokens_needed
from .sites import PYTHON_ENVIRONMENT, Site, module_command
from .tokens import Issuer

STAGE_SECONDS_MAX = 120


@dataclass(frozen=True)
class Sample:
    """One measurement: cost of one operation in the scenario's unit, operations a second; or why there is none.

    Of a latency, cost is the median, p99 the value that one of a hundred messages exceeds.
    """

    scenario: str
    peer: str
    repeat: int
    cost: float = 0
    rate: float = 0
    p99: float = 0
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

    def due(self, repeat: int) -> list[Scenario]:
        """The scenarios of that repeat, the first being 0."""
        return [scenario for scenario in self.scenarios if repeat < scenario.repeats_max]


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
                for scenario in plan.due(repeat):
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
        targets[peer] = Target(stack.enter_context(started(peer, PEERS[peer].program(site), home)), site.port)
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
        is_same_token=scenario.is_same_token,
    )


def _visits(scenario: Scenario, task: Task) -> Task:
    """The handshakes beside the load, with the tokens that follow the load's."""
    first_token = task.first_token + task.warm + task.count
    return dataclasses.replace(
        task,
        kind="visits",
        first_token=first_token,
        warm=scenario.visits_warm,
        count=scenario.visits,
        rate=scenario.handshakes_a_second,
    )


def _measure(scenario: Scenario, peer: str, repeat: int, process: Process, task: Task, folder: Path) -> Sample:
    try:
        if scenario.kind == "latency":
            return Sample(scenario.name, peer, repeat, *_latency(scenario, task, folder))
        return Sample(scenario.name, peer, repeat, *_cost(process, task, folder))
    except (ProcessFailed, OSError) as error:
        return Sample(scenario.name, peer, repeat, failure=f"{error}\n{process.last_words()}".strip())


def _cost(process: Process, task: Task, folder: Path) -> tuple[float, float]:
    read = process.memory_kib if task.kind == "idle" else lambda: process.cpu_seconds() * 1e6
    with _client("load_client", task, folder) as client:
        client.next_line(STAGE_SECONDS_MAX)
        before = read()
        client.go()
        report = json.loads(client.next_line(STAGE_SECONDS_MAX + task.seconds))
        after = read()
        client.finish(STAGE_SECONDS_MAX)
    operations = report["operations"]
    return (after - before) / operations, operations / report["seconds"]


def _latency(scenario: Scenario, task: Task, folder: Path) -> tuple[float, float, float]:
    with ExitStack() as stack:
        clients = []
        if scenario.visits:
            visitors = stack.enter_context(_client("load_client", _visits(scenario, task), folder))
            # Their first handshakes are over before the latency client looks for its pace.
            visitors.next_line(STAGE_SECONDS_MAX)
            clients.append(visitors)
        meter = stack.enter_context(_client("latency_client", task, folder))
        meter.next_line(STAGE_SECONDS_MAX)
        clients.append(meter)
        for client in clients:
            client.go()
        reports = [json.loads(client.next_line(STAGE_SECONDS_MAX + task.seconds)) for client in clients]
        for client in clients:
            client.finish(STAGE_SECONDS_MAX)
    report = reports[-1]
    return report["p50"], report["operations"] / report["seconds"], report["p99"]


@contextmanager
def _client(module: str, task: Task, folder: Path) -> Iterator[Conversation]:
    command = module_command(module, json.dumps(dataclasses.asdict(task)))
    # Its own log: two clients may run at once.
    with talking(f"{module}-{task.kind}", command, PYTHON_ENVIRONMENT, folder) as client:
        yield client


def _words(sample: Sample, scenario: Scenario) -> str:
    p99 = f", p99 {sample.p99:.0f}" if sample.p99 else ""
    outcome = sample.failure or f"{sample.cost:.1f} {scenario.unit}{p99}, {sample.rate:.0f}/s"
    return f"{sample.scenario} {sample.peer}: {outcome}"
