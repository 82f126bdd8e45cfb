"""One cluster and one set of services for all tests; a gateway for each module."""

import faulthandler
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from e2e import parts
from e2e.cluster import Cluster
from e2e.gateway import Gateway
from e2e.programs import get
from e2e.services import Services
from e2e.standalone import Standalone
from e2e.tenants import Tenant, new_tenant

BASE = Path(__file__).parent.parent / "manifests/base"


@contextmanager
def fetching(config: pytest.Config) -> Iterator[None]:
    """Let a first build tell how far it is, and take the minutes that it needs."""
    capture: Any = config.pluginmanager.getplugin("capturemanager")
    # The timer of pytest's faulthandler_timeout would end the run in the middle; the next test sets it anew.
    faulthandler.cancel_dump_traceback_later()
    with capture.global_and_fixture_disabled():
        yield


@pytest.fixture(scope="session")
def part(pytestconfig: pytest.Config) -> Callable[[str], Path]:
    """Where a part of e2e/parts is; it is fetched or built where it is missing."""

    def get(name: str) -> Path:
        try:
            with fetching(pytestconfig):
                return parts.get(name)
        except parts.MissingPart as missing:
            pytest.fail(str(missing), pytrace=False)

    return get


@pytest.fixture(scope="session")
def get_programs(pytestconfig: pytest.Config) -> Callable[..., None]:
    """e2e.programs.get; a first build takes minutes, and tells how far it is."""

    def get_visibly(*names: str) -> None:
        with fetching(pytestconfig):
            get(*names)

    return get_visibly


@pytest.fixture(scope="session")
def cluster(get_programs: Callable[..., None], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Everything of manifests/base is applied; of its Deployments nothing runs."""
    get_programs()
    with Cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        cluster.kubectl("apply", "-k", BASE)
        cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        yield cluster


@pytest.fixture(scope="session")
def services(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Upstreams and the token issuer; after the cluster, whose fixture has fetched the programs."""
    with Services(tmp_path_factory.mktemp("services")) as services:
        yield services


@pytest.fixture(scope="module")
def gateway(cluster: Cluster, services: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Running, with default settings."""
    with Gateway(cluster, services, tmp_path_factory.mktemp("gateway")) as gateway:
        yield gateway


@pytest.fixture
def standalone(tmp_path: Path) -> Iterator[Standalone]:
    """The gateway without a cluster, running, with default settings and no route."""
    with Standalone(tmp_path) as gateway:
        yield gateway


@pytest.fixture
def tenant(cluster: Cluster) -> Tenant:
    """A new one."""
    return new_tenant(cluster)


@pytest.fixture
def other_tenant(cluster: Cluster) -> Tenant:
    """Another one."""
    return new_tenant(cluster)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the last words of the fixtures' processes to the report of a failure."""
    report = yield
    if report.failed and isinstance(item, pytest.Function):
        for value in item.funcargs.values():
            for daemon in getattr(value, "daemons", ()):
                report.sections.append((f"last words of {daemon.name}", daemon.tail()))
    return report
