"""A Redis URL is judged by parts that hold no secret."""

import pytest

from wsgate_contract.redis_url import FORM, RedisURL

SECRET = "s3cret"


@pytest.mark.parametrize(
    ("url", "parsed"),
    [
        ("redis://host", RedisURL(is_encrypted=False, path="", options=frozenset())),
        (f"redis://user:{SECRET}@host:6380/2", RedisURL(is_encrypted=False, path="/2", options=frozenset())),
        (
            f"rediss://:{SECRET}@[::1]?ssl_ca_certs=/ca",
            RedisURL(is_encrypted=True, path="", options=frozenset({"ssl_ca_certs"})),
        ),
    ],
)
def test_the_parts_of_a_url_hold_no_secret(url: str, parsed: RedisURL) -> None:
    found = RedisURL.parse(url)
    assert found == parsed
    assert SECRET not in repr(found)


@pytest.mark.parametrize(
    "url", ["", "host", "http://host", "redis://", "redis://host:0", "redis://host:port", f"redis://[{SECRET}"]
)
def test_what_is_not_of_the_form_is_none(url: str) -> None:
    assert RedisURL.parse(url) is None
    assert FORM.startswith("redis://")


def test_options_of_tls_are_known_with_tls_only() -> None:
    plain, encrypted = (
        RedisURL.parse("redis://h?ssl_keyfile=&db=1"),
        RedisURL.parse("rediss://h?ssl_keyfile=&db=1"),
    )
    assert plain is not None and encrypted is not None
    assert plain.unknown_options() == "db, ssl_keyfile"
    assert encrypted.unknown_options() == "db"
    assert encrypted.unknown_options(frozenset({"db"})) == ""
