"""A pod follows the log and the inbox of a real Redis, and confirms only what it can prove."""

import asyncio
import json
import logging
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
import redis

from tests.dataplane.revocation.pod import Pod, confirmed_anew, following
from tests.dataplane.revocation.publisher import (
    ACL,
    GATEWAY,
    KEYS,
    Publisher,
    allow,
    event,
    members_of,
    record,
)
from tests.support.loops import eventually, on_both_loops
from tests.support.valkey import ValkeyServer
from wsgate_contract.revocation_log import member_of
from wsgate_dataplane.revocation import redis_channel
from wsgate_dataplane.revocation.redis_channel import connect
from wsgate_dataplane.settings import SettingsError

ALICE, BOB, CAROL = record("alice"), record("bob"), record("carol")


def logged(caplog: pytest.LogCaptureFixture, message: str) -> list[dict[str, Any]]:
    return [each.__dict__["fields"] for each in caplog.records if each.getMessage() == message]


@on_both_loops
async def test_the_set_is_loaded_and_the_log_followed_at_once(server: ValkeyServer, operator: Publisher) -> None:
    async with following(server.url) as pod:
        await eventually(lambda: pod.channel.is_loaded)
        assert pod.subjects == {"alice"}
        began = time.monotonic()
        operator.add(BOB)
        await eventually(lambda: pod.subjects == {"alice", "bob"})
        assert time.monotonic() - began < redis_channel.POLL_SECONDS / 2
        operator.remove(ALICE)
        await eventually(lambda: pod.subjects == {"bob"})
        assert [each.subject for each in pod.added] == ["alice", "bob"]
        await confirmed_anew(pod)


@on_both_loops
async def test_a_record_that_changes_is_never_missing(server: ValkeyServer, operator: Publisher) -> None:
    longer = record("alice", expires_at=4_000_000_000)
    async with following(server.url) as pod:
        await eventually(lambda: pod.channel.is_loaded)
        operator.add(longer)
        operator.remove(ALICE)
        await eventually(lambda: len(pod.view) == 1 and pod.channels_of(longer) == ("redis",))


@on_both_loops
async def test_without_a_log_nothing_is_confirmed_until_the_operator_writes(
    server: ValkeyServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with following(server.url) as pod:
        await eventually(lambda: pod.faults("log-missing") > 1)
        assert pod.channel.has_looked and not pod.channel.is_loaded
        assert pod.view.confirmed_at is None
        with server.client() as client:
            Publisher(client).reset(ALICE)
        await eventually(lambda: pod.subjects == {"alice"} and pod.channel.is_loaded)
    (told,) = logged(caplog, "revocation channel fails")
    assert told["cause"] == "log-missing"


@on_both_loops
async def test_a_flushed_redis_takes_nothing_away_and_confirms_nothing(
    server: ValkeyServer, operator: Publisher
) -> None:
    async with following(server.url) as pod:
        await eventually(lambda: pod.channel.is_loaded)
        operator.client.flushall()
        moment = time.time()
        await eventually(lambda: pod.faults("log-missing") > 0)
        assert pod.subjects == {"alice"}
        assert not pod.is_confirmed_since(moment)
        operator.republish()
        await confirmed_anew(pod)
        assert pod.subjects == {"alice"}
        assert len(pod.added) == 1


@on_both_loops
async def test_a_redis_that_comes_back_empty_takes_nothing_away(
    server: ValkeyServer, operator: Publisher, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "wsgate")
    async with following(server.url) as pod:
        await eventually(lambda: pod.channel.is_loaded)
        server.kill()
        await eventually(lambda: pod.faults("unreachable") > 0)
        server.start()
        await eventually(lambda: pod.faults("log-missing") > 0)
        assert pod.subjects == {"alice"}
        operator.reset(ALICE, BOB)
        await eventually(lambda: pod.subjects == {"alice", "bob"})
        await confirmed_anew(pod)
        await eventually(lambda: bool(logged(caplog, "revocation channel works again")))
    assert [each["cause"] for each in logged(caplog, "revocation channel fails")] == ["unreachable", "log-missing"]


@on_both_loops
async def test_a_set_that_was_evicted_takes_nothing_away(server: ValkeyServer, operator: Publisher) -> None:
    async with following(server.url) as pod, following(server.url, "late") as late:
        await eventually(lambda: pod.channel.is_loaded and late.channel.is_loaded)
        operator.client.delete(KEYS.revocations)
        async with following(server.url, "newcomer") as newcomer:
            await eventually(lambda: newcomer.faults("set-damaged") > 0)
            assert not newcomer.channel.is_loaded
            assert pod.subjects == {"alice"}
            # The log still proves what was read before.
            await confirmed_anew(pod)
            operator.republish()
            await eventually(lambda: newcomer.subjects == {"alice"})


@pytest.mark.parametrize(
    "damage",
    [
        lambda client: client.zrem(KEYS.revocations, member_of(ALICE)),
        lambda client: client.zadd(KEYS.revocations, {member_of(CAROL): 1}),
        lambda client: client.zadd(KEYS.revocations, {"epoch:other": 1}),
        lambda client: client.zpopmax(KEYS.revocations, 2),
    ],
    ids=["a member gone", "a foreign member", "two epochs", "no epoch"],
)
@on_both_loops
async def test_a_set_that_does_not_agree_with_its_log_is_not_loaded(
    server: ValkeyServer, operator: Publisher, damage: Any
) -> None:
    damage(operator.client)
    async with following(server.url) as pod:
        await eventually(lambda: pod.faults("set-damaged") > 0)
        assert not pod.channel.is_loaded
        assert pod.view.confirmed_at is None
        operator.reset(ALICE)
        await eventually(lambda: pod.channel.is_loaded)
        assert pod.subjects == {"alice"}


@on_both_loops
async def test_a_head_that_tells_of_another_set_ends_the_confirmation(
    server: ValkeyServer, operator: Publisher
) -> None:
    async with following(server.url) as pod:
        await eventually(lambda: pod.channel.is_loaded)
        operator.members.add(member_of(BOB))
        operator.log_only("remove", member_of(CAROL))
        await eventually(lambda: pod.faults("set-damaged") > 0)
        moment = time.time()
        assert pod.subjects == {"alice"}
        operator.add(BOB)
        await eventually(lambda: pod.subjects == {"alice", "bob"})
        await eventually(lambda: pod.is_confirmed_since(moment))


@on_both_loops
async def test_a_stream_that_was_trimmed_past_the_cursor_is_noticed(
    server: ValkeyServer, operator: Publisher
) -> None:
    async with following(server.url) as pod:
        await eventually(lambda: pod.channel.is_loaded)
        with operator.client.pipeline() as pipe:
            # In one step, so that the pod cannot read between.
            pipe.zadd(KEYS.revocations, {member_of(BOB): 1})
            pipe.zrem(KEYS.revocations, member_of(ALICE))
            operator.members = members_of([BOB])
            operator._log(pipe, "add", member_of(BOB))
            operator._log(pipe, "remove", member_of(ALICE))
            pipe.xtrim(KEYS.log, maxlen=1, approximate=False)
            pipe.execute()
        await eventually(lambda: pod.subjects == {"bob"})
        await confirmed_anew(pod)


@on_both_loops
async def test_a_new_epoch_with_another_content_is_taken_over_whole(
    server: ValkeyServer, operator: Publisher
) -> None:
    async with following(server.url) as pod:
        await eventually(lambda: pod.channel.is_loaded)
        operator.reset(BOB)
        await eventually(lambda: pod.subjects == {"bob"})
        operator.add(CAROL)
        await eventually(lambda: pod.subjects == {"bob", "carol"})


@on_both_loops
async def test_a_frozen_redis_confirms_nothing_and_is_followed_again_when_it_thaws(
    server: ValkeyServer, operator: Publisher, caplog: pytest.LogCaptureFixture
) -> None:
    async with following(server.url) as pod:
        await eventually(lambda: pod.channel.is_loaded)
        server.freeze()
        try:
            await eventually(lambda: pod.faults("timed-out") > 1)
            assert time.time() - (pod.view.confirmed_at or 0) > redis_channel.POLL_SECONDS
        finally:
            server.thaw()
        operator.add(BOB)
        await eventually(lambda: pod.subjects == {"alice", "bob"})
    assert [each["cause"] for each in logged(caplog, "revocation channel fails")] == ["timed-out"]


@on_both_loops
async def test_the_lease_acknowledges_what_was_applied(server: ValkeyServer, operator: Publisher) -> None:
    def lease() -> Any:
        return json.loads(operator.client.get(KEYS.pod("pod-a")) or "{}")

    async with following(server.url) as pod:
        await eventually(lambda: lease().get("routesVersion") == 7)
        assert 0 < operator.client.ttl(KEYS.pod("pod-a")) <= 15
        operator.add(BOB)
        pod.routes_version = 8
        newest: Any = operator.client.xrevrange(KEYS.log, count=1)
        await eventually(lambda: lease() == {"logCursor": newest[0][0], "routesVersion": 8})


@on_both_loops
async def test_where_the_lease_cannot_be_written_nothing_is_confirmed_but_everything_counts(
    server: ValkeyServer, operator: Publisher
) -> None:
    operator.client.config_set("min-replicas-to-write", 1)
    async with following(server.url) as pod:
        await eventually(lambda: pod.faults("no-replicas") > 0)
        assert pod.subjects == {"alice"}
        assert pod.view.confirmed_at is None
        operator.client.config_set("min-replicas-to-write", 0)
        await confirmed_anew(pod)


def as_pod(server: ValkeyServer) -> str:
    """The URL of the user that allow() makes."""
    return f"redis://pod:s3cret@127.0.0.1:{server.port}/0"


@on_both_loops
async def test_the_rights_of_the_acl_are_enough(
    server: ValkeyServer, operator: Publisher, caplog: pytest.LogCaptureFixture
) -> None:
    allow(operator.client)
    operator.live()
    async with following(as_pod(server)) as pod:
        await eventually(lambda: pod.channel.is_loaded)
        operator.add(BOB)
        await pod.channel.append(event("mallory"))
        await eventually(lambda: pod.subjects == {"alice", "bob", "mallory"})
        await confirmed_anew(pod)
    assert [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING] == []
    assert "s3cret" not in caplog.text


@on_both_loops
async def test_without_the_right_to_publish_other_pods_see_a_record_within_the_poll(
    server: ValkeyServer, operator: Publisher, caplog: pytest.LogCaptureFixture
) -> None:
    allow(operator.client, ACL.replace("+publish", ""))
    async with following(as_pod(server)) as pod, following(as_pod(server), "pod-b") as other:
        await eventually(lambda: pod.channel.is_loaded and other.channel.is_loaded)
        await pod.channel.append(event("mallory"))
        await pod.channel.append(event("trudy"))
        await eventually(lambda: other.subjects == {"alice", "mallory", "trudy"})
    (told,) = logged(caplog, "waking by Redis fails")
    assert told["cause"] == "permission"


@on_both_loops
async def test_without_the_right_to_subscribe_it_polls(
    server: ValkeyServer, operator: Publisher, caplog: pytest.LogCaptureFixture
) -> None:
    allow(operator.client, ACL.replace("+subscribe", ""))
    async with following(as_pod(server)) as pod:
        await eventually(lambda: pod.channel.is_loaded)
        operator.add(BOB)
        await eventually(lambda: pod.subjects == {"alice", "bob"})
        await confirmed_anew(pod)
    assert len(logged(caplog, "waking by Redis fails")) == 1


def lock(client: redis.Redis) -> None:
    client.config_set("requirepass", "other")


def forbid(client: redis.Redis) -> None:
    client.acl_setuser("default", enabled=True, commands=["-zrange"])


def demote(client: redis.Redis) -> None:
    client.replicaof("127.0.0.1", "1")


@pytest.mark.parametrize(
    ("hinder", "cause"), [(lock, "authentication"), (forbid, "permission"), (demote, "read-only")]
)
@on_both_loops
async def test_a_fault_is_logged_once_with_its_cause(
    server: ValkeyServer,
    operator: Publisher,
    caplog: pytest.LogCaptureFixture,
    hinder: Callable[[redis.Redis], None],
    cause: str,
) -> None:
    hinder(operator.client)
    async with following(server.url) as pod:
        await eventually(lambda: pod.faults(cause) > 1)
        assert not pod.channel.is_loaded
    (told,) = logged(caplog, "revocation channel fails")
    assert told["cause"] == cause


@on_both_loops
async def test_an_operator_that_is_away_is_told_once_and_ends_no_confirmation(
    server: ValkeyServer,
    operator: Publisher,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(redis_channel, "RENEW_SECONDS", 0)
    caplog.set_level(logging.INFO, "wsgate")

    def present(pod: Pod) -> float | None:
        return pod.metrics.registry.get_sample_value("wsgate_operator_present")

    async with following(server.url) as pod:
        await eventually(lambda: present(pod) == 0)
        await confirmed_anew(pod)
        operator.live()
        await eventually(lambda: present(pod) == 1)
    assert len(logged(caplog, "operator fails")) == len(logged(caplog, "operator works again")) == 1


@on_both_loops
async def test_a_redis_that_always_fails_is_asked_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_channel, "RETRY_SECONDS", 0.2)
    attempts = 0

    def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal attempts
        attempts += 1
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as deaf:
        port = deaf.sockets[0].getsockname()[1]
        began = time.monotonic()
        async with following(f"redis://127.0.0.1:{port}") as pod:
            await eventually(lambda: pod.faults("unreachable") >= 5)
            # Half of RETRY_SECONDS, since the jitter of a test is 0.
            assert time.monotonic() - began >= 4 * 0.1
            assert attempts <= 2 * pod.faults("unreachable") + 2


@on_both_loops
async def test_wake_ups_in_a_flood_do_not_keep_it_busy(server: ValkeyServer, operator: Publisher) -> None:
    def looks() -> int:
        return int(operator.client.info("commandstats")["cmdstat_xrevrange"]["calls"])

    async with following(server.url) as pod:
        await eventually(lambda: pod.channel.is_loaded)
        began, before = time.monotonic(), looks()
        while time.monotonic() - began < 0.5:
            operator.client.publish(KEYS.wake, "again")
            await asyncio.sleep(0)
        most = (time.monotonic() - began) / redis_channel.WAKE_PAUSE_SECONDS + 2
        assert looks() - before <= most


@on_both_loops
async def test_a_load_that_is_interrupted_confirms_nothing_and_is_repeated(
    server: ValkeyServer, operator: Publisher, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(redis_channel, "PAGE", 1)
    operator.add(BOB, CAROL)
    async with following(server.url) as pod:
        pod.fails_at = 1
        await eventually(lambda: pod.faults("unexpected") > 0)
        assert not pod.channel.is_loaded
        assert pod.view.confirmed_at is None
        pod.fails_at = None
        await eventually(lambda: pod.channel.is_loaded)
        assert pod.subjects == {"alice", "bob", "carol"}
    (told,) = [each for each in caplog.records if each.getMessage() == "revocation channel fails"]
    assert told.exc_info is not None


@on_both_loops
async def test_a_burst_longer_than_a_page_is_followed_to_its_end(
    server: ValkeyServer, operator: Publisher
) -> None:
    many = [record(f"user-{number}") for number in range(450)]
    async with following(server.url) as pod:
        await eventually(lambda: pod.channel.is_loaded)
        operator.add(*many)
        await eventually(lambda: len(pod.view) == 451)
        await confirmed_anew(pod)


@on_both_loops
async def test_a_large_set_is_loaded_page_by_page(server: ValkeyServer) -> None:
    with server.client() as client:
        Publisher(client).reset(*(record(f"user-{number}") for number in range(10_000)))
    async with following(server.url) as pod:
        await eventually(lambda: pod.channel.is_loaded)
        assert len(pod.view) == 10_000


def test_a_missing_package_is_told_with_the_extra_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("revocation.redis_store", "stores.redis_client"):
        monkeypatch.delitem(sys.modules, f"wsgate_dataplane.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(SettingsError, match=r"wsgate\[dataplane\]"):
        connect("redis://localhost", GATEWAY, "pod-a")


@pytest.mark.parametrize(
    "url",
    [
        "http://s3cret@host",
        "redis://",
        "redis://user:s3cret/x@host:port",
        "redis://host:s3cret",
        "redis://host/s3cret",
        "redis://host?socket_timeout=60",
        "redis://host?ssl_ca_certs=/ca",
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(SettingsError, match="WSGATE_REVOCATION_REDIS_URL") as caught:
        connect(url, GATEWAY, "pod-a")
    assert "s3cret" not in str(caught.value)


def test_without_a_url_the_package_is_not_imported() -> None:
    program = "import sys, wsgate_dataplane.server; sys.exit('redis' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
