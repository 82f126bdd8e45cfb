"""The index finds what comparing every claim would find, and keeps nothing of what has left it."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from wsgate_contract.revocation import ClaimMatch
from wsgate_dataplane.admission.claims import claim_values
from wsgate_dataplane.revocation.claim_index import ClaimIndex

NAMES = st.sampled_from(["a", "b", '"a"', "a.b", '"a.b"', "b.a.a"])
CLAIMS = st.lists(st.builds(ClaimMatch, claim=NAMES, value=st.sampled_from(["x", "true", "1"])), max_size=8)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from(["x", True, 1, None, 0.5]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "a.b"]), inner, max_size=3)
    ),
    max_leaves=8,
)
PAYLOADS = st.dictionaries(st.sampled_from(["a", "b", "a.b"]), VALUES)


def index_of(claims: list[ClaimMatch]) -> ClaimIndex[int]:
    index = ClaimIndex[int]()
    for item, claim in enumerate(claims):
        index.add(claim, item)
    return index


@given(CLAIMS, PAYLOADS)
def test_found_is_what_comparing_every_claim_finds(claims: list[ClaimMatch], payload: dict[str, Any]) -> None:
    wanted = [item for item, each in enumerate(claims) if each.value in claim_values(payload, each.claim)]
    assert sorted(index_of(claims).find(payload)) == wanted


@given(CLAIMS, PAYLOADS, st.data())
def test_what_is_discarded_is_not_found_and_nothing_of_it_stays(
    claims: list[ClaimMatch], payload: dict[str, Any], data: st.DataObject
) -> None:
    index = index_of(claims)
    index.discard(ClaimMatch(claim="c.d", value="x"), 0)
    gone = data.draw(st.sets(st.sampled_from(range(len(claims))))) if claims else set()
    before = set(index.find(payload))
    for item in gone:
        index.discard(claims[item], item)
    assert set(index.find(payload)) == before - gone
    for item, claim in enumerate(claims):
        index.discard(claim, item)
    assert not index
    assert bool(index_of(claims)) is bool(claims)
