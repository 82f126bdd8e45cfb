"""A URL is an address; what only libpq reads is none."""

import pytest

from wsgate_dataplane.identity.stores.postgres_dsn import is_usable


@pytest.mark.parametrize("dsn", ["postgres://gw:pw@db/gw", "postgresql://gw:pw@db:5432/gw?sslmode=disable"])
def test_a_url_with_the_scheme_of_postgresql_is_an_address(dsn: str) -> None:
    assert is_usable(dsn)


@pytest.mark.parametrize(
    "dsn",
    ["host=db user=gw password=pw dbname=gw", "db:5432/gw", "postgres://gw:p/w@db/gw", "postgres://gw@db:0/gw"],
)
def test_anything_else_is_none(dsn: str) -> None:
    assert not is_usable(dsn)
