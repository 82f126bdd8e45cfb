"""The id of a copy names one Secret, lasts, and tells nothing that could be guessed at or clash."""

import re

from hypothesis import given
from hypothesis import strategies as st

from wsgate_contract.client_certificate import ID_PATTERN, certificate_id, file_name

NAMES = st.from_regex(r"[a-z0-9]([-a-z0-9.]{0,20}[a-z0-9])?", fullmatch=True)


@given(NAMES, NAMES, NAMES, NAMES)
def test_two_secrets_share_an_id_only_where_they_are_one(a: str, b: str, c: str, d: str) -> None:
    assert (certificate_id(a, b) == certificate_id(c, d)) == ((a, b) == (c, d))


def test_an_id_lasts_over_releases_and_is_a_file_name_and_a_key_of_a_secret() -> None:
    assert certificate_id("shop", "client") == "2828400f9cd81f41ee34ccc841238f72"
    assert re.fullmatch(ID_PATTERN, certificate_id("shop", "client"))
    assert re.fullmatch(r"[-._a-zA-Z0-9]+", file_name(certificate_id("shop", "client")))
