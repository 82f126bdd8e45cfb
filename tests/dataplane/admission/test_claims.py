"""Claims are parsed strictly or refused as malformed."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate_dataplane.admission.claims import Claims, claim_path, claim_values
from wsgate_dataplane.outcomes.refusal import Refused
from wsgate_dataplane.outcomes.table import Reason

NOT_TIMES = [True, 1.0, 1e300, "1", -1, 2**53 + 1, None, [], {}]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


def test_every_registered_claim_has_its_typed_field() -> None:
    payload = {
        "iss": "i", "sub": "s", "aud": ["a", "b"], "exp": 30, "nbf": 10, "iat": 20,
        "jti": "j", "sid": "d", "azp": "p",
    }  # fmt: skip
    assert Claims.from_payload(payload) == Claims(
        payload=payload, expires_at=30, issuer="i", subject="s", jti="j", session_id="d",
        issued_at=20, not_before=10, azp="p", audiences=("a", "b"),
    )  # fmt: skip


def test_only_exp_is_required() -> None:
    assert Claims.from_payload({"exp": 0}) == Claims(payload={"exp": 0}, expires_at=0)
    with pytest.raises(Refused, match="expected the claim exp, found none"):
        Claims.from_payload({"sub": "alice"})


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", NOT_TIMES, ids=repr)
def test_a_time_is_a_whole_number_of_seconds_below_2_to_the_53(name: str, value: object) -> None:
    with pytest.raises(Refused, match=f"expected {name} as a whole number") as refused:
        Claims.from_payload({"exp": 2**53, name: value})
    assert refused.value.reason is Reason.TOKEN_MALFORMED


@pytest.mark.parametrize("name", ["iss", "sub", "jti", "sid", "azp"])
@pytest.mark.parametrize("value", [1, None, ["a"], {}, "x" * 2049], ids=lambda value: repr(value)[:9])
def test_a_name_is_a_string_of_bounded_length(name: str, value: object) -> None:
    with pytest.raises(Refused, match=f"expected {name} as a string") as refused:
        Claims.from_payload({"exp": 1, name: value})
    assert refused.value.reason is Reason.TOKEN_MALFORMED


@pytest.mark.parametrize("value", [1, None, {}, ["a", 1], [["a"]], ["a"] * 257], ids=lambda value: repr(value)[:9])
def test_aud_is_a_string_or_a_list_of_strings(value: object) -> None:
    with pytest.raises(Refused, match="expected aud"):
        Claims.from_payload({"exp": 1, "aud": value})


def test_aud_may_be_one_string_or_an_empty_list() -> None:
    assert Claims.from_payload({"exp": 1, "aud": "a"}).audiences == ("a",)
    assert Claims.from_payload({"exp": 1, "aud": []}).audiences == ()


@given(st.dictionaries(st.sampled_from(["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "sid", "azp"]), JSON))
def test_any_payload_gives_claims_or_a_malformed_token(payload: dict[str, Any]) -> None:
    try:
        claims = Claims.from_payload(payload)
    except Refused as refused:
        assert refused.reason is Reason.TOKEN_MALFORMED
    else:
        assert type(claims.expires_at) is int and claims.payload is payload


PAYLOAD = {
    "sub": "alice",
    "realm_access": {"roles": ["admin", "user", 7, True, None, {"x": "y"}, ["z"]]},
    "https://example.com/tenant": "blue",
    "nested": {"a.b": {"c": "deep"}},
    "email_verified": True,
    "level": 3,
    "ratio": 0.5,
    "nothing": None,
    "long": {"x": {"x": {"x": {"x": {"x": {"x": {"x": "far"}}}}}}},
}


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("sub", ("alice",)),
        ("realm_access.roles", ("admin", "user", "7", "true")),
        ('"https://example.com/tenant"', ("blue",)),
        ('nested."a.b".c', ("deep",)),
        ("email_verified", ("true",)),
        ("level", ("3",)),
        ("ratio", ("0.5",)),
        ("nothing", ()),
        ("realm_access", ()),
        ("realm_access.groups", ()),
        ("sub.roles", ()),
        ("nested.a.b.c", ()),
        ("realm_access.roles.x", ()),
        ("long" + ".x" * 7, ("far",)),
        ("long" + ".x" * 8, ()),
        ("", ()),
        (".", ()),
        ("sub.", ()),
        ('"sub', ()),
        ('"sub"x', ()),
        ('su"b"', ()),
        ('""', ()),
    ],
)
def test_a_path_leads_to_its_values_as_text_or_to_none(path: str, values: tuple[str, ...]) -> None:
    assert claim_values(PAYLOAD, path) == values


@given(
    st.lists(
        st.text(alphabet='ab."', min_size=1, max_size=4).filter(lambda s: '"' not in s), min_size=1, max_size=8
    )
)
def test_every_name_without_quotes_can_be_reached_by_quoting(names: list[str]) -> None:
    assert claim_path(".".join(f'"{name}"' for name in names)) == tuple(names)


@given(st.text(alphabet='ab."\\ ', max_size=10))
def test_any_path_is_read_without_an_error(path: str) -> None:
    assert claim_path(path)
