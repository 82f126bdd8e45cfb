"""The users of the trial's Redis, tried on a real server: a pod may add a revocation, and take none away."""

from collections.abc import Iterator

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.manifests.objects import TRIAL_REDIS, container, kustomization, only
from tests.support.valkey import ValkeyServer, valkey
from wsgate_contract.revocation_log import Keys

POD = (
    "resetchannels &{wsgate}:wake %R~{wsgate}:* -@all +zrange +xread +xrevrange +lrange +get +ping +hello"
    " +subscribe +unsubscribe +publish (~{wsgate}:inbox -@all +rpush) (~{wsgate}:pod:* -@all +set)"
)
KEYS = Keys("wsgate")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    arguments = [*container(only(TRIAL_REDIS, "Deployment", "wsgate-redis"))["args"]]
    arguments[arguments.index("--aclfile") + 1] = str(TRIAL_REDIS / "users.acl")
    with valkey(tmp_path_factory.mktemp("valkey"), arguments) as running:
        yield running


def client(server: ValkeyServer, user: str) -> redis.Redis:
    """As the Secret's address of that user says, but here."""
    (generated,) = kustomization(TRIAL_REDIS)["secretGenerator"]
    urls = dict(literal.split("=", 1) for literal in generated["literals"])
    url = urls[f"{user}-url"].replace("wsgate-redis:6379", f"127.0.0.1:{server.port}")
    return redis.Redis.from_url(url, decode_responses=True)


def test_a_pods_rules_are_the_ones_that_were_agreed() -> None:
    (line,) = (line for line in (TRIAL_REDIS / "users.acl").read_text().splitlines() if " dataplane " in line)
    assert line.partition(" resetchannels ")[2] == POD.removeprefix("resetchannels ")


def test_a_stranger_gets_in_nowhere(server: ValkeyServer) -> None:
    # A refused login is a ConnectionError to the library, which would try again for seconds.
    stranger = redis.Redis(port=server.port, retry=Retry(NoBackoff(), 0))
    with stranger, pytest.raises(redis.exceptions.AuthenticationError):
        stranger.ping()


def test_a_pod_can_do_all_of_its_work(server: ValkeyServer) -> None:
    with client(server, "dataplane") as pod, pod.pubsub() as listener:
        assert pod.zrange(KEYS.revocations, 0, -1) == []
        assert pod.xrevrange(KEYS.log, count=1) == []
        assert not pod.xread({KEYS.log: "0"})
        assert pod.rpush(KEYS.inbox, "record") > 0
        assert "record" in pod.lrange(KEYS.inbox, 0, -1)
        assert pod.set(KEYS.pod("a"), "lease", ex=15)
        assert pod.get(KEYS.operator) is None
        listener.subscribe(KEYS.wake)
        assert listener.get_message(timeout=5) is not None


@pytest.mark.parametrize(
    "command",
    [
        ("ZADD", KEYS.revocations, "1", "m"),
        ("ZREM", KEYS.revocations, "m"),
        ("XADD", KEYS.log, "*", "a", "b"),
        ("XTRIM", KEYS.log, "MAXLEN", "0"),
        ("DEL", KEYS.inbox),
        ("LTRIM", KEYS.inbox, "1", "0"),
        ("LPOP", KEYS.inbox),
        ("SET", KEYS.inbox, "x"),
        ("SET", KEYS.operator, "x"),
        ("RPUSH", KEYS.revocations, "x"),
        ("RPUSH", KEYS.pod("a"), "x"),
        ("GET", "another:key"),
        ("SUBSCRIBE", "another"),
        ("FLUSHALL",),
        ("EVAL", "return 1", "0"),
        ("CONFIG", "GET", "*"),
        ("ACL", "LIST"),
        ("KEYS", "*"),
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_a_pod_can_take_nothing_away(server: ValkeyServer, command: tuple[str, ...]) -> None:
    with client(server, "dataplane") as pod, pytest.raises(redis.exceptions.NoPermissionError):
        pod.execute_command(*command)


def test_the_operator_can_do_all_of_its_work(server: ValkeyServer) -> None:
    with client(server, "operator") as operator:
        with operator.pipeline(transaction=True) as pipe:
            pipe.watch(KEYS.revocations, KEYS.log)
            pipe.multi()
            pipe.delete(KEYS.revocations)
            pipe.zadd(KEYS.revocations, {"epoch:1": float("inf"), "m": 1.0})
            pipe.zrem(KEYS.revocations, "m")
            pipe.xadd(KEYS.log, {"change": "reset"}, maxlen=10_000, approximate=True)
            pipe.lrem(KEYS.inbox, 1, "settled")
            pipe.publish(KEYS.wake, "")
            pipe.execute()
        assert operator.zrange(KEYS.revocations, 0, -1, withscores=True) == [("epoch:1", float("inf"))]
        assert len(operator.xrevrange(KEYS.log, count=1)) == 1
        assert operator.set(KEYS.operator, "", ex=15)
        assert len(operator.lrange(KEYS.inbox, 0, -1)) == operator.llen(KEYS.inbox)
        assert operator.mget([KEYS.pod("nobody")]) == [None]
        assert operator.info("memory")["maxmemory_policy"] == "noeviction"


@pytest.mark.parametrize(
    "command", [("FLUSHALL",), ("CONFIG", "GET", "*"), ("ACL", "LIST"), ("GET", "another:key")]
)
def test_the_operator_does_not_administer_the_server(server: ValkeyServer, command: tuple[str, ...]) -> None:
    with client(server, "operator") as operator, pytest.raises(redis.exceptions.NoPermissionError):
        operator.execute_command(*command)


def test_nothing_is_kept_on_disk(server: ValkeyServer) -> None:
    with client(server, "operator") as operator:
        persistence = operator.info("persistence")
    assert persistence["aof_enabled"] == 0
    assert persistence["rdb_bgsave_in_progress"] == 0


def test_only_the_gateways_pods_reach_it() -> None:
    spec = only(TRIAL_REDIS, "NetworkPolicy", "wsgate-redis")["spec"]
    deployment = only(TRIAL_REDIS, "Deployment", "wsgate-redis")["spec"]
    assert spec["podSelector"]["matchLabels"] == deployment["template"]["metadata"]["labels"]
    assert (
        only(TRIAL_REDIS, "Service", "wsgate-redis")["spec"]["selector"] == deployment["selector"]["matchLabels"]
    )
    ((peer,),) = (rule["from"] for rule in spec["ingress"])
    gateway = {"app.kubernetes.io/name": "wsgate", "app.kubernetes.io/instance": "wsgate"}
    assert peer == {"podSelector": {"matchLabels": gateway}}
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert "egress" not in spec
