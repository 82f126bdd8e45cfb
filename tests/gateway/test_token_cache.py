"""A cache of tokens makes handshakes no less strict, whoever can write to it, and no slower than it is told to."""

import asyncio
import base64
import functools
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import redis

from tests.support.loops import on_both_loops
from tests.support.postgres import PostgresServer, postgres
from tests.support.tokens import Issuer
from tests.support.valkey import ValkeyServer, valkey
from tests.support.world import World, eventually
from wsgate_cli.devkey import DevelopmentKey, provider
from wsgate_dataplane.identity.stores import shared
from wsgate_dataplane.identity.stores.postgres_backend import TABLE
from wsgate_dataplane.identity.stores.seal import Seal

KEY = "the key that all pods have, and nobody else"
PROBE = "jwt_cached_token_probe"
UP = "wsgate_token_cache_store_up"
SHARED = ("redis", "postgres")
ALL = ("memory", *SHARED)


class RedisHeld:
    """A Redis that pods share, and what an attacker may do to it."""

    def __init__(self, server: ValkeyServer) -> None:
        self.server: ValkeyServer | PostgresServer = server
        self.environ = {"JWT_CACHE_STORE": "redis", "REDIS_URL": server.url, "WSGATE_CACHE_KEY": KEY}
        self._client = redis.Redis.from_url(server.url)

    async def empty(self) -> None:
        self._client.flushall()

    async def entries(self) -> dict[str, bytes]:
        names: Any = self._client.keys()
        values: Any = self._client.mget(names) if names else []
        return {name.decode(): value for name, value in zip(names, values, strict=True) if name != PROBE.encode()}

    async def put(self, name: str, value: bytes) -> None:
        self._client.set(name, value)


class PostgresHeld:
    """The same for a PostgreSQL."""

    def __init__(self, server: PostgresServer) -> None:
        self.server: ValkeyServer | PostgresServer = server
        self.environ = {"JWT_CACHE_STORE": "postgres", "POSTGRES_DSN": server.dsn, "WSGATE_CACHE_KEY": KEY}
        self._dsn = server.dsn

    async def empty(self) -> None:
        async with self._connected() as connection:
            await connection.execute(f"DROP TABLE IF EXISTS {TABLE}")

    async def entries(self) -> dict[str, bytes]:
        async with self._connected() as connection:
            rows = await connection.fetch(f"SELECT name, value FROM {TABLE} WHERE name <> $1", PROBE)
            return {row["name"]: row["value"] for row in rows}

    async def put(self, name: str, value: bytes) -> None:
        async with self._connected() as connection:
            later = "now() + interval '1 hour'"
            row = f"INSERT INTO {TABLE} VALUES ($1, $2, {later})"
            await connection.execute(f"{row} ON CONFLICT (name) DO UPDATE SET value = excluded.value", name, value)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[asyncpg.Connection]:
        connection = await asyncpg.connect(self._dsn)
        try:
            yield connection
        finally:
            await connection.close()


Held = RedisHeld | PostgresHeld
Servers = Callable[[str], Held]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Both servers, each started when it is first asked for."""
    with ExitStack() as stack:

        @functools.cache
        def start(store: str) -> Held:
            if store == "redis":
                return RedisHeld(stack.enter_context(valkey(tmp_path_factory.mktemp("valkey"))))
            return PostgresHeld(stack.enter_context(postgres()))

        yield start


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that failed, as it may on a busy machine, is tried again soon."""
    monkeypatch.setattr(shared, "RETRY_SECONDS", 0.2)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a busy machine delays is no fault of the store, where the test is not about time."""
    monkeypatch.setattr(shared, "ANSWER_SECONDS", 5.0)


class Pod(World):
    """A gateway in this process that looks at its cache."""

    async def found(self) -> dict[str, float]:
        """Where tokens were found, by finding."""
        samples = await self.metrics()
        name = "wsgate_token_cache_lookups_total"
        return {key.split('"')[1]: value for key, value in samples.items() if key.startswith(name) and value}

    async def has_store(self, *, is_up: bool = True) -> None:
        """Wait until the shared store is in use, or is left alone."""
        deadline = time.monotonic() + 10
        while (await self.metrics())[UP] != is_up:
            assert time.monotonic() < deadline, "waited in vain for the store"
            await asyncio.sleep(0.01)

    async def admit(self, token: str) -> float:
        """Open and close a session; the seconds of its handshake."""
        began = time.monotonic()
        async with self.connect(token=token):
            return time.monotonic() - began


@asynccontextmanager
async def pod(folder: Path, environ: dict[str, str]) -> AsyncIterator[Pod]:
    """One that serves /echo and uses its store."""
    await asyncio.to_thread(folder.mkdir)
    world = Pod(folder, **environ)
    world.route(upstream=await world.upstream())
    async with world.running(uses_redis=False):
        if environ.get("JWT_CACHE_STORE", "memory") != "memory":
            await world.has_store()
        yield world


async def empty(servers: Servers, store: str) -> Held:
    """A shared store with nothing in it."""
    held = servers(store)
    await held.empty()
    return held


async def environ_of(servers: Servers, store: str) -> dict[str, str]:
    """Settings of a pod whose store is empty."""
    return {} if store == "memory" else (await empty(servers, store)).environ


async def stored(store: Held, count: int) -> dict[str, bytes]:
    """Wait until the store holds so many proofs."""
    deadline = time.monotonic() + 10
    while len(found := await store.entries()) != count:
        assert time.monotonic() < deadline, f"{count} were awaited, there are {len(found)}"
        await asyncio.sleep(0.01)
    return found


def forged(genuine: str) -> dict[str, str]:
    """What someone makes who has seen a token and holds none of the keys."""
    header, payload, signature = genuine.split(".")
    head, claims = (json.loads(base64.urlsafe_b64decode(f"{part}==")) for part in (header, payload))
    forger = Issuer(name="forger")
    admin = forger.sign(head, {**claims, "roles": ["admin"]})
    swapped = ("B" if signature[0] == "A" else "A") + signature[1:]
    return {
        "the same claims, signed by a key of one's own": forger.sign(head, claims),
        "the same sub and jti, another role": admin,
        "the same text, another signature": f"{header}.{payload}.{swapped}",
        "the same signature under another text": f"{header}.{admin.split('.')[1]}.{signature}",
    }


@on_both_loops
@pytest.mark.parametrize("store", ALL)
async def test_defect_1_a_forged_token_with_a_known_sub_and_jti_is_refused(
    tmp_path: Path, servers: Servers, store: str
) -> None:
    async with pod(tmp_path / "pod", await environ_of(servers, store)) as gateway:
        genuine = gateway.token("alice", jti="known")
        await gateway.admit(genuine)
        await gateway.admit(genuine)
        assert (await gateway.found())["memory"] == 1
        for how, token in forged(genuine).items():
            for _ in range(2):
                assert (await gateway.refusal(token=token)).reason == "token-signature", how
        for spelling in (f"{genuine}=", f"{genuine}.", genuine.replace(".", "=.", 1)):
            assert (await gateway.refusal(token=spelling)).reason == "token-malformed"


@on_both_loops
@pytest.mark.parametrize("missing", ["REDIS_URL", "POSTGRES_DSN", "WSGATE_CACHE_KEY"])
async def test_defect_2_without_an_address_or_a_key_sessions_open_all_the_same(
    tmp_path: Path, missing: str
) -> None:
    environ = {"JWT_CACHE_STORE": "postgres" if missing == "POSTGRES_DSN" else "redis", "WSGATE_CACHE_KEY": KEY}
    environ |= {"REDIS_URL": "redis://127.0.0.1:1/0", "POSTGRES_DSN": "postgres://127.0.0.1:1/x"}
    del environ[missing]
    world = Pod(tmp_path, **environ)
    world.route(upstream=await world.upstream())
    async with world.running(uses_redis=False):
        token = world.token()
        await world.admit(token)
        await world.admit(token)
        assert await world.found() == {"miss": 1, "memory": 1}
        assert (await world.metrics())[UP] == 0


@on_both_loops
@pytest.mark.usefixtures("patient")
async def test_defect_8_any_number_of_sessions_takes_one_connection_to_redis(
    tmp_path: Path, servers: Servers
) -> None:
    store = await empty(servers, "redis")
    async with pod(tmp_path / "pod", store.environ) as gateway, AsyncExitStack() as sessions:
        for number in range(30):
            await sessions.enter_async_context(gateway.connect(token=gateway.token(f"user-{number}")))
        await stored(store, 30)
        assert isinstance(store.server, ValkeyServer)
        with store.server.client() as client:
            commands = [each["cmd"] for each in client.client_list()]
        assert sum(command in ("getrange", "set") for command in commands) == 1


@on_both_loops
@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("store", SHARED)
async def test_what_one_pod_has_verified_another_knows(tmp_path: Path, servers: Servers, store: str) -> None:
    shared_store = await empty(servers, store)
    async with (
        pod(tmp_path / "a", shared_store.environ) as first,
        pod(tmp_path / "b", shared_store.environ) as second,
    ):
        token = first.token()
        await first.admit(token)
        await stored(shared_store, 1)
        await second.admit(token)
        assert await second.found() == {"shared": 1}


@on_both_loops
@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("store", SHARED)
async def test_who_can_write_to_the_store_but_has_no_key_admits_nobody(
    tmp_path: Path, servers: Servers, store: str
) -> None:
    shared_store = await empty(servers, store)
    async with (
        pod(tmp_path / "a", shared_store.environ) as first,
        pod(tmp_path / "b", shared_store.environ) as second,
    ):
        # What a pod writes for a good token, and where it would look for a forged one.
        await first.admit(first.token("mallory"))
        ((_, genuine),) = (await stored(shared_store, 1)).items()
        for token in forged(first.token("alice", jti="known")).values():
            names = await names_asked_for(second, token)
            for value in (genuine, b"1", b"true", Seal("x" * 32).close(b"p" * 32, int(time.time()) + 999)):
                for name in names:
                    await shared_store.put(name, value)
                assert (await second.refusal(token=token)).reason == "token-signature"
        assert await second.found() == {"miss": 4, "rejected": 16}


async def names_asked_for(gateway: Pod, token: str) -> list[str]:
    """The names under which a pod looks for a token's proof."""
    store = gateway.plane._token_cache._shared
    assert store is not None
    names: list[str] = []
    read = store._backend.read

    async def watched(asked: Sequence[str]) -> list[bytes | None]:
        names.extend(asked)
        return await read(asked)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store._backend, "read", watched)
        assert (await gateway.refusal(token=token)).reason == "token-signature"
    assert names
    return names


@on_both_loops
@pytest.mark.parametrize("store", ALL)
async def test_a_revoked_token_is_refused_though_the_cache_knows_it(
    tmp_path: Path, servers: Servers, store: str
) -> None:
    async with pod(tmp_path / "pod", await environ_of(servers, store)) as gateway:
        token = gateway.token("alice", jti="lost")
        await gateway.admit(token)
        gateway.revoke("lost", jti="lost")
        await eventually(lambda: len(gateway.plane.view) == 1, "the revocation is in force")
        assert (await gateway.refusal(token=token)).reason == "token-revoked"
        assert (await gateway.found())["memory"] == 1


@on_both_loops
async def test_the_claims_of_a_known_token_are_checked_each_time(tmp_path: Path) -> None:
    async with pod(tmp_path / "pod", {}) as gateway:
        token = gateway.token("alice", lifetime=3)
        gateway.route(
            "strict",
            upstream=await gateway.upstream(),
            auth={"claims": [{"claim": "role", "anyOf": ["admin"]}], "expiry": {"leewaySeconds": 0}},
        )
        await eventually(lambda: "default/strict" in gateway.plane.catalogue.servings, "the route is served")
        await gateway.admit(token)
        assert (await gateway.refusal("/strict", token=token)).reason == "token-claim-missing"
        assert (await gateway.found())["memory"] == 1
        deadline = time.monotonic() + 10
        while (await gateway.refusal("/strict", token=token)).reason != "token-expired":
            assert time.monotonic() < deadline, "a token that has ended is still good"
            await asyncio.sleep(0.1)


@on_both_loops
async def test_a_known_token_is_refused_once_its_route_names_other_keys(tmp_path: Path) -> None:
    async with pod(tmp_path / "pod", {}) as gateway:
        token = gateway.token()
        await gateway.admit(token)
        successor = provider(DevelopmentKey.create())
        gateway.route(upstream=await gateway.upstream(), auth={"providers": [successor]})
        before = gateway.plane.catalogue
        await eventually(lambda: gateway.plane.catalogue is not before, "the route is served")
        assert (await gateway.refusal(token=token)).reason in ("token-signature", "token-key-unknown")


@on_both_loops
@pytest.mark.parametrize("store", SHARED)
@pytest.mark.parametrize("trouble", ["killed", "stalled"])
async def test_a_store_that_is_killed_or_stalls_fails_no_handshake_and_delays_none_by_more_than_its_time(
    tmp_path: Path, servers: Servers, store: str, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared_store = await empty(servers, store)
    async with pod(tmp_path / "pod", shared_store.environ) as gateway:
        tokens = iter([gateway.token(f"user-{number}") for number in range(200)])
        calm = max([await gateway.admit(next(tokens)) for _ in range(10)])
        server = shared_store.server
        server.kill() if trouble == "killed" else server.freeze()
        waits = await asyncio.gather(*(gateway.admit(next(tokens)) for _ in range(20)))
        await gateway.has_store(is_up=False)
        # Twenty at once take their turn at the processor; what the store adds is its time, once.
        assert max(waits) < shared.ANSWER_SECONDS + 20 * calm + 1
        # Who waited now would wait longer than the test may take.
        monkeypatch.setattr(shared, "ANSWER_SECONDS", 60.0)
        for _ in range(50):
            await gateway.admit(next(tokens))
        assert (await gateway.found())["unanswered"] >= 60
        server.start() if trouble == "killed" else server.thaw()
        await gateway.has_store()
        before = await shared_store.entries()
        await gateway.admit(next(tokens))
        await stored(shared_store, len(before) + 1)
        assert len(gateway.logged("token cache store fails")) == 1
        assert len(gateway.logged("token cache store works again")) == 1
        assert (await gateway.metrics())["wsgate_token_cache_store_faults_total"] >= 1


@on_both_loops
async def test_a_pod_starts_and_serves_while_its_store_is_away(tmp_path: Path) -> None:
    environ = {"JWT_CACHE_STORE": "redis", "REDIS_URL": "redis://127.0.0.1:1/0", "WSGATE_CACHE_KEY": KEY}
    world = Pod(tmp_path, **environ)
    world.route(upstream=await world.upstream())
    async with world.running(uses_redis=False):
        await world.admit(world.token())
        await eventually(lambda: bool(world.logged("token cache store fails")), "the trouble is told")
        assert await world.found() == {"unanswered": 1}


@on_both_loops
@pytest.mark.usefixtures("patient")
async def test_neither_token_nor_subject_nor_key_stands_in_the_store_or_in_the_log(
    tmp_path: Path, servers: Servers
) -> None:
    store = await empty(servers, "postgres")
    async with pod(tmp_path / "pod", store.environ) as gateway:
        token = gateway.token("alice-in-the-store", jti="jti-in-the-store")
        await gateway.admit(token)
        text = repr(await stored(store, 1)) + repr(gateway.logged("token cache store fails"))
        assert not any(each in text for each in ("alice-in", "jti-in", KEY, *token.split(".")))
