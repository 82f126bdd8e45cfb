"""A record survives every channel."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from wsgate_contract.revocation import ClaimMatch, RevocationRecord


@given(
    st.text(min_size=1, max_size=512),
    st.none() | st.text(),
    st.none() | st.integers(-(2**40), 2**40),
    st.none()
    | st.builds(ClaimMatch, claim=st.sampled_from(["roles", '"https://a.b/c".d']), value=st.text(max_size=256)),
)
def test_a_record_survives_its_document(
    id_: str, text: str | None, moment: int | None, claim: ClaimMatch | None
) -> None:
    record = RevocationRecord(
        id=id_,
        namespace=text,
        jti=text,
        subject=text,
        session_id=text,
        token_sha256=text,
        claim=claim,
        issuer=text,
        issued_before=moment,
        expires_at=moment,
    )
    assert RevocationRecord.from_document(record.to_document()) == record


def test_outside_names_are_those_of_the_custom_resource() -> None:
    record = RevocationRecord(id="a", session_id="s", token_sha256="t", issued_before=1)
    assert record.to_document() == {"id": "a", "sessionID": "s", "tokenSHA256": "t", "issuedBefore": 1}


def test_a_claims_path_has_at_most_eight_segments() -> None:
    assert ClaimMatch(claim='a."b.c"' + ".d" * 6, value="x")
    with pytest.raises(ValidationError):
        ClaimMatch(claim='a."b.c"' + ".d" * 7, value="x")


def test_an_unknown_matcher_is_refused() -> None:
    # Ignored, it would make the record match more than it says, or nothing.
    with pytest.raises(ValidationError):
        RevocationRecord.from_document({"id": "a", "sub": "alice"})
