"""The settings' cache is opened, or what it lacks is said once and memory takes its place."""

import logging
import sys
from math import isnan

import pytest

from tests.support.loops import on_both_loops
from wsgate_dataplane.identity.stores.opening import open_token_cache
from wsgate_dataplane.settings import Settings, SettingsError
from wsgate_dataplane.telemetry.metrics import Metrics

KEY = {"WSGATE_CACHE_KEY": "k" * 32}
REDIS = {"JWT_CACHE_STORE": "redis", "REDIS_URL": "redis://127.0.0.1:1/0"}
POSTGRES = {"JWT_CACHE_STORE": "postgres", "POSTGRES_DSN": "postgres://u:s3cret@127.0.0.1:1/db"}


def store_up(metrics: Metrics) -> float:
    value = metrics.registry.get_sample_value("wsgate_token_cache_store_up")
    assert value is not None
    return value


def test_memory_is_the_default_and_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics()
    cache = open_token_cache(Settings.load({"REDIS_URL": "redis://127.0.0.1:1/0", **KEY}), metrics)
    assert cache.tasks == ()
    assert isnan(store_up(metrics))
    assert caplog.records == []


@on_both_loops
@pytest.mark.parametrize("environ", [REDIS, POSTGRES], ids=["redis", "postgres"])
async def test_a_shared_store_with_address_and_key_is_used(environ: dict[str, str]) -> None:
    metrics = Metrics()
    cache = open_token_cache(Settings.load({**environ, **KEY}), metrics)
    assert len(cache.tasks) == 1
    assert store_up(metrics) == 0


@pytest.mark.parametrize(
    ("environ", "missing"),
    [
        (REDIS, "redis needs WSGATE_CACHE_KEY"),
        (POSTGRES, "postgres needs WSGATE_CACHE_KEY"),
        ({"JWT_CACHE_STORE": "redis", **KEY}, "redis needs REDIS_URL"),
        ({"JWT_CACHE_STORE": "postgres", **KEY}, "postgres needs POSTGRES_DSN"),
        ({"JWT_CACHE_STORE": "redis"}, "redis needs REDIS_URL and WSGATE_CACHE_KEY"),
    ],
)
def test_without_address_or_key_memory_is_used_and_one_line_names_what_is_missing(
    environ: dict[str, str], missing: str, caplog: pytest.LogCaptureFixture
) -> None:
    metrics = Metrics()
    cache = open_token_cache(Settings.load(environ), metrics)
    assert cache.tasks == ()
    assert store_up(metrics) == 0
    (line,) = caplog.records
    assert (line.levelno, line.message) == (logging.WARNING, "token cache not shared")
    assert line.__dict__["fields"]["detail"] == f"JWT_CACHE_STORE: {missing}; kept in memory instead"


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({**REDIS, "REDIS_URL": "http://:s3cret@redis"}, "REDIS_URL: expected redis://"),
        ({**POSTGRES, "POSTGRES_DSN": "host=db password=s3cret"}, "POSTGRES_DSN: expected postgres://"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_without_showing_it(environ: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        open_token_cache(Settings.load({**environ, **KEY}), Metrics())
    assert str(caught.value).startswith(words) and "s3cret" not in str(caught.value)


@pytest.mark.parametrize(("environ", "module"), [(REDIS, "redis_backend"), (POSTGRES, "postgres_backend")])
def test_a_missing_package_is_an_error_that_names_the_extra(
    environ: dict[str, str], module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Importing what stands as None raises ImportError.
    monkeypatch.setitem(sys.modules, f"wsgate_dataplane.identity.stores.{module}", None)
    with pytest.raises(SettingsError, match=r"install wsgate\[dataplane\]"):
        open_token_cache(Settings.load({**environ, **KEY}), Metrics())
