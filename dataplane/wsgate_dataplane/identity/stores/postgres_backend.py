"""Proofs in PostgreSQL: the only module that knows its driver, asyncpg.

Imported where JWT_CACHE_STORE is postgres, and not before: the package is an extra.
"""

from collections.abc import Sequence

import asyncpg

from wsgate_dataplane.identity.stores.postgres_dsn import FORM, is_usable
from wsgate_dataplane.identity.stores.seal import VALUE_BYTES
from wsgate_dataplane.identity.stores.shared import Entry, StoreFault

TABLE = "wsgate_token_proofs"
SWEEP_ROWS = 1_000

# Without the first look a role that may only use the table could not: CREATE asks for the right before it
# looks. With the lock two pods that begin at once do not both create it, and one statement string is one
# transaction. Unlogged: what a crash of the server empties costs one verification each.
_EXISTS = f"SELECT to_regclass('{TABLE}') IS NOT NULL"
_CREATE = f"""
    SELECT pg_advisory_xact_lock(hashtext('{TABLE}'));
    CREATE UNLOGGED TABLE IF NOT EXISTS {TABLE}
        (name text PRIMARY KEY, value bytea NOT NULL, expires_at timestamptz NOT NULL);
    CREATE INDEX IF NOT EXISTS {TABLE}_expires_at ON {TABLE} (expires_at);
"""
_READ = f"SELECT name, substr(value, 1, {VALUE_BYTES + 1}) FROM {TABLE} WHERE name = ANY($1::text[])"
_WRITE = f"""
    INSERT INTO {TABLE} (name, value, expires_at)
    SELECT name, value, to_timestamp(expires_at)
    FROM unnest($1::text[], $2::bytea[], $3::float8[]) AS told (name, value, expires_at)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at
"""
# SKIP LOCKED: another pod is at those.
_SWEEP = f"""
    DELETE FROM {TABLE} WHERE name = ANY(ARRAY(
        SELECT name FROM {TABLE} WHERE expires_at < now() LIMIT {SWEEP_ROWS} FOR UPDATE SKIP LOCKED
    ))
"""


class PostgresBackend:
    """See Backend; it makes its table where there is none, and needs SELECT, INSERT, UPDATE and DELETE on it."""

    setting = "POSTGRES_DSN"

    def __init__(self, dsn: str) -> None:
        """Raises ValueError, without the DSN in it, for one that cannot be used; connects in open()."""
        if not is_usable(dsn):
            raise ValueError(f"expected {FORM}")
        self._dsn = dsn
        self._connection: asyncpg.Connection | None = None

    async def open(self) -> None:
        """Connect, and see that the table is there."""
        connection = await asyncpg.connect(self._dsn, server_settings={"application_name": "wsgate"})
        self._connection = connection
        if not await connection.fetchval(_EXISTS):
            await connection.execute(_CREATE)

    async def read(self, names: Sequence[str]) -> list[bytes | None]:
        """No more of each value than a good one has, and a byte: whoever may write could write any length."""
        found: dict[str, bytes] = {row[0]: row[1] for row in await self._open.fetch(_READ, names)}
        return [found.get(name) for name in names]

    async def write(self, entries: Sequence[Entry]) -> None:
        """Names must differ. Sorted, so that two pods that write the same do not wait for each other in a ring."""
        columns = list(zip(*sorted(entries), strict=True))
        await self._open.execute(_WRITE, *columns)

    async def sweep(self) -> bool:
        """See Backend."""
        status = await self._open.execute(_SWEEP)
        return bool(status == f"DELETE {SWEEP_ROWS}")

    async def close(self) -> None:
        """Cut the connection; a farewell could wait for a server that has stalled."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    @property
    def _open(self) -> asyncpg.Connection:
        if self._connection is None:
            raise StoreFault("not connected")
        return self._connection
