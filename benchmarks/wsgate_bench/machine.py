"""The machine and the programs of a run: what its figures hold for."""

import datetime
import os
import platform
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from .peers import DIRECT, PEERS


@dataclass(frozen=True)
class Machine:
    """Facts for whoever compares two runs; loads are averages of a minute."""

    day: str
    cpus: int
    cpu: str
    memory_gib: int
    kernel: str
    python: str
    versions: dict[str, str] = field(default_factory=dict)
    """By peer."""
    load_before: float = 0
    load_after: float = 0

    def facts(self) -> list[str]:
        """Lines for a report."""
        loads = f"load average {self.load_before:.1f} before, {self.load_after:.1f} at the end"
        # Two peers may be made of the same libraries.
        programs = dict.fromkeys(part for version in self.versions.values() for part in version.split(", "))
        return [
            f"{self.day}: {self.cpus} CPUs ({self.cpu}), {self.memory_gib} GiB, Linux {self.kernel}; {loads}",
            "; ".join([f"Python {self.python}", *programs]),
        ]


def this_machine(peers: Iterable[str]) -> Machine:
    """Before a run; raises FileNotFoundError, which says what to install, when a peer is not there."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return Machine(
        day=datetime.datetime.now(datetime.UTC).date().isoformat(),
        cpus=os.cpu_count() or 0,
        cpu=_cpu_model(),
        memory_gib=round(pages / 2**30),
        kernel=platform.release(),
        python=platform.python_version(),
        versions={peer: PEERS[peer].version() for peer in peers if peer != DIRECT},
        load_before=os.getloadavg()[0],
    )


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
