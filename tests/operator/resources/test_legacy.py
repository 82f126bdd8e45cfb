"""The original gateway's entries keep the original's defaults."""

import pytest

from wsgate_operator.resources.invalid import InvalidObject
from wsgate_operator.resources.parse import parse_legacy


def test_an_entry_has_the_originals_defaults() -> None:
    (entry,) = parse_legacy([{"prefix": "/mqtt", "upstream": "ws://rabbit:15675/ws"}])
    assert (entry.copy_sub_protocol, entry.preserve_query) == (False, False)


def test_a_trailing_slash_is_no_part_of_the_prefix() -> None:
    entries = parse_legacy([{"prefix": prefix, "upstream": "ws://a"} for prefix in ("/mqtt/", "/")])
    assert [entry.prefix for entry in entries] == ["/mqtt", "/"]


def test_a_reserved_prefix_is_refused_here_already() -> None:
    with pytest.raises(InvalidObject, match=r"\[0\].prefix: /healthz is the gateway's own"):
        parse_legacy([{"prefix": "/healthz/", "upstream": "ws://a"}])
