"""`python -m wsgate_bench.cluster`, from the root of the repository with PYTHONPATH=benchmarks:. and its programs
built (e2e/toolchain/build.sh): start a cluster, measure, print the report.
"""

import argparse
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import e2e
from e2e.cluster import Cluster
from e2e.services import Services

from ..load_client import first_cause
from ..processes import ProcessFailed, prepare
from . import revocation_stage, revoking, routes_stage
from .api_server import ApiCallFailed
from .report import Loads, markdown

BASE = Path(e2e.__file__).parent.parent / "manifests/base"
STAGES = ("revocations", "routes")
FAILURES = (ProcessFailed, ApiCallFailed, routes_stage.RoutesMissing, AssertionError, OSError)


@dataclass
class Results:
    """What could be measured, and why the rest could not."""

    revocations: revoking.Outcome | None = None
    routes: routes_stage.Outcome | None = None
    broken: str = ""


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="wsgate_bench.cluster", description="How fast the gateway follows a real API server."
    )
    parser.add_argument("--quick", action="store_true", help="about a minute: fewer sessions, revocations, routes")
    parser.add_argument("--only", choices=STAGES, help="one stage alone")
    return parser.parse_args()


def _progress(words: str) -> None:
    sys.stderr.write(f"{words} (load {os.getloadavg()[0]:.1f})\n")


def _plans(*, is_quick: bool) -> tuple[revocation_stage.Plan, routes_stage.Plan]:
    if is_quick:
        plan = revocation_stage.Plan(sessions=200, one_by_one=40, burst=10)
        return plan, routes_stage.Plan(routes=200, changes=3, revocations=10)
    plan = revocation_stage.Plan(sessions=1000, one_by_one=200, burst=50)
    return plan, routes_stage.Plan(routes=2000, changes=10, revocations=50)


def _measure(
    folder: Path, plans: tuple[revocation_stage.Plan, routes_stage.Plan], only: str | None, results: Results
) -> None:
    folders = {name: folder / name for name in ("cluster", *STAGES)}
    for each in folders.values():
        each.mkdir()
    with Cluster(folders["cluster"]) as cluster:
        cluster.kubectl("apply", "-k", BASE)
        cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        if only in (None, "revocations"):
            with Services(folders["revocations"]) as services:
                results.revocations = revocation_stage.measure(
                    cluster, services, folders["revocations"], plans[0], _progress
                )
        if only in (None, "routes"):
            results.routes = routes_stage.measure(cluster, folders["routes"], plans[1], _progress)


def main() -> int:
    options = _options()
    prepare()
    plans, results, before = _plans(is_quick=options.quick), Results(), os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="wsgate-bench-") as name:
        try:
            _measure(Path(name), plans, options.only, results)
        except (*FAILURES, ExceptionGroup) as error:
            cause = first_cause(error)
            results.broken = "\n".join([repr(cause), *getattr(error, "__notes__", ())])
    loads = Loads(before, os.getloadavg()[0])
    sys.stdout.write(markdown(plans, results.revocations, results.routes, loads))
    if results.broken:
        _progress(f"the run broke off: {results.broken}")
    has_faults = results.revocations is not None and bool(results.revocations.faults)
    return 1 if results.broken or has_faults else 0


if __name__ == "__main__":
    sys.exit(main())
