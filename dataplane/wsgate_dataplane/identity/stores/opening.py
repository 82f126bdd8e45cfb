"""The token cache that the settings ask for."""

import logging
import random
import time

from wsgate_dataplane.identity.cache import TokenCache
from wsgate_dataplane.identity.stores.memory import MemoryStore
from wsgate_dataplane.identity.stores.seal import Seal
from wsgate_dataplane.identity.stores.shared import Backend, SharedStore
from wsgate_dataplane.settings import Settings, SettingsError
from wsgate_dataplane.telemetry.metrics import Metrics

log = logging.getLogger("wsgate")


def open_token_cache(settings: Settings, metrics: Metrics) -> TokenCache:
    """Memory alone where a shared store is asked for and lacks its address or its key, as the log then says.

    Raises SettingsError for an address that cannot be used, and for a package that is not there.
    """
    return TokenCache(MemoryStore(), _shared(settings, metrics), metrics)


def _shared(settings: Settings, metrics: Metrics) -> SharedStore | None:
    store = settings.jwt_cache_store
    if store == "memory":
        return None
    name, address = {
        "redis": ("REDIS_URL", settings.redis_url),
        "postgres": ("POSTGRES_DSN", settings.postgres_dsn),
    }[store]
    key = settings.wsgate_cache_key
    if address is None or key is None:
        missing = [name] if address is None else []
        missing += ["WSGATE_CACHE_KEY"] if key is None else []
        detail = f"JWT_CACHE_STORE: {store} needs {' and '.join(missing)}; kept in memory instead"
        log.warning("token cache not shared", extra={"fields": {"detail": detail}})
        metrics.token_cache_store_up.set(0)
        return None
    make = {"redis": _redis, "postgres": _postgres}[store]
    try:
        backend = make(address.get_secret_value())
    except ImportError as error:
        raise SettingsError([f"JWT_CACHE_STORE: {store} needs a package; install wsgate[dataplane]"]) from error
    except ValueError as error:
        raise SettingsError([f"{name}: {error}"]) from None
    seal = Seal(key.get_secret_value())
    return SharedStore(backend, settings.jwt_cache_prefix, seal, metrics, time.time, random.random)


def _redis(url: str) -> Backend:
    # Here and not above: without this store the package need not be installed.
    from wsgate_dataplane.identity.stores.redis_backend import RedisBackend

    return RedisBackend(url)


def _postgres(dsn: str) -> Backend:
    # As above.
    from wsgate_dataplane.identity.stores.postgres_backend import PostgresBackend

    return PostgresBackend(dsn)
