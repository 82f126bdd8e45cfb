"""Templates of a client id or user name."""

import re

import pytest

from wsgate_contract.template import CLIENT_ID_PATTERN, TEMPLATE_PATTERN, claims_in, filled


def test_each_placeholder_is_filled_and_a_value_is_not_read_again() -> None:
    assert filled("{sub}-{clientID}!", {"sub": "{clientID}", "clientID": "c"}.__getitem__) == "{clientID}-c!"


def test_claims_are_all_placeholders_but_the_clients_own_words() -> None:
    assert claims_in('{sub}/{"a.b".c}/{clientID}/{userName}') == ("sub", '"a.b".c')


@pytest.mark.parametrize("text", ["{", "}", "{}", "a{b", "{{sub}}", ""])
def test_braces_without_a_name_between_them_are_no_template(text: str) -> None:
    assert re.fullmatch(TEMPLATE_PATTERN, text) is None
    assert re.fullmatch(CLIENT_ID_PATTERN, text) is None


@pytest.mark.parametrize(
    ("text", "is_client_id"), [("Keep", True), ("a-{sub}", True), ("{sub}{x}y", True), ("fixed", False)]
)
def test_a_client_id_is_kept_prefixed_or_has_a_placeholder(text: str, is_client_id: bool) -> None:  # noqa: FBT001  # from the table above
    assert (re.fullmatch(CLIENT_ID_PATTERN, text) is not None) == is_client_id
    assert re.fullmatch(TEMPLATE_PATTERN, text) is not None
