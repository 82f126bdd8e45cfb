"""A pod and its Redis: the server, an operator that has written Alice, short pauses."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dataplane.revocation.publisher import Publisher, record
from tests.support.valkey import ValkeyServer, valkey
from wsgate_dataplane.revocation import redis_channel


@pytest.fixture(autouse=True)
def short_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_channel, "RETRY_SECONDS", 0.3)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ValkeyServer]:
    with valkey(tmp_path) as running:
        yield running


@pytest.fixture
def operator(server: ValkeyServer) -> Iterator[Publisher]:
    """Has written Alice."""
    with server.client() as client:
        publisher = Publisher(client)
        publisher.reset(record("alice"))
        yield publisher
