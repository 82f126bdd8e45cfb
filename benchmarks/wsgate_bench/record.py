"""A whole run as a file: the machine, what was measured and every sample."""

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .machine import Machine
from .measure import Plan, Sample
from .scenarios import Scenario

DECIMALS = 3
SUBJECT = "wsgate"


@dataclass(frozen=True)
class Record:
    """What a report is made of."""

    machine: Machine
    plan: Plan
    samples: tuple[Sample, ...]

    @property
    def failures(self) -> list[Sample]:
        return [sample for sample in self.samples if sample.failure]

    def of(self, scenario: str, peer: str) -> list[Sample]:
        """The good samples, by repeat."""
        return [s for s in self.samples if (s.scenario, s.peer) == (scenario, peer) and not s.failure]

    def costs(self, scenario: str, peer: str) -> list[float]:
        """Their costs; of a latency the medians."""
        return [sample.cost for sample in self.of(scenario, peer)]

    def ratios(self, scenario: str, rival: str) -> list[float]:
        """wsgate's cost by the rival's, repeat by repeat: what slowed a repeat slowed both."""
        rivals = {sample.repeat: sample for sample in self.of(scenario, rival)}
        pairs = [(ours, rivals.get(ours.repeat)) for ours in self.of(scenario, SUBJECT)]
        return [ours.cost / theirs.cost for ours, theirs in pairs if theirs and theirs.cost]

    def to_json(self) -> str:
        """As text, a line for each scenario and sample, so that two runs can be compared by diff."""
        parts = [
            f'"machine": {json.dumps(dataclasses.asdict(self.machine), indent=1)}',
            f'"peers": {json.dumps(self.plan.peers)}',
            f'"repeats": {self.plan.repeats}',
            f'"scenarios": [\n{_lines(self.plan.scenarios)}\n]',
            f'"samples": [\n{_lines(self.samples)}\n]',
        ]
        return "{\n" + ",\n".join(parts) + "\n}\n"


def from_json(text: str) -> Record:
    """Raises ValueError or TypeError when the text is not what to_json makes."""
    read = json.loads(text)
    scenarios = tuple(Scenario(**each) for each in read["scenarios"])
    plan = Plan(scenarios, tuple(read["peers"]), read["repeats"])
    return Record(Machine(**read["machine"]), plan, tuple(Sample(**each) for each in read["samples"]))


def _lines(values: Iterable[Scenario | Sample]) -> str:
    return ",\n".join(json.dumps(_rounded(dataclasses.asdict(value))) for value in values)


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    return {name: round(value, DECIMALS) if isinstance(value, float) else value for name, value in values.items()}
