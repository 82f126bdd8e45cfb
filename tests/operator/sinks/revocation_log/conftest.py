"""One server for the tests that do no harm to it."""

from collections.abc import Iterator

import pytest

from tests.support.valkey import ValkeyServer, valkey


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    with valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture
def server(shared_server: ValkeyServer) -> ValkeyServer:
    """An empty server, whose configuration must stay as it is."""
    with shared_server.client() as client:
        client.flushall()
    return shared_server
