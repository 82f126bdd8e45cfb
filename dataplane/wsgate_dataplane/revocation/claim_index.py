"""What only a claim can find: the search costs what the token holds, however many records there are."""

from collections.abc import Hashable, Iterator, Mapping
from typing import Any, Generic, TypeVar

from wsgate_contract.revocation import ClaimMatch
from wsgate_dataplane.admission.claims import claim_path, texts_of
from wsgate_dataplane.session.index import Index

Item = TypeVar("Item", bound=Hashable)


class ClaimIndex(Generic[Item]):
    """A tree of the segments of claim paths; a node has the items of its path by the value that they ask for."""

    __slots__ = ("_children", "_items")

    def __init__(self) -> None:
        self._children: dict[str, ClaimIndex[Item]] = {}
        self._items = Index[str, Item]()

    def __bool__(self) -> bool:
        """Whether there is any item."""
        return bool(self._children) or bool(self._items)

    def add(self, claim: ClaimMatch, item: Item) -> None:
        """An item that asks for the claim with its value."""
        node = self
        for segment in claim_path(claim.claim):
            child = node._children.get(segment)
            if child is None:
                child = node._children[segment] = ClaimIndex()
            node = child
        node._items.add(claim.value, item)

    def discard(self, claim: ClaimMatch, item: Item) -> None:
        """Take the item out; unknown ones are fine."""
        self._discard(claim_path(claim.claim), claim.value, item)

    def _discard(self, path: tuple[str, ...], value: str, item: Item) -> None:
        if not path:
            self._items.discard(value, item)
            return
        child = self._children.get(path[0])
        if child is not None:
            child._discard(path[1:], value, item)
            if not child:
                del self._children[path[0]]

    def find(self, claims: Any) -> Iterator[Item]:
        """The items whose claim has their value there (see claim_values); claims: a token's payload."""
        if self._items:
            for text in {*texts_of(claims)}:
                yield from self._items.get(text)
        if isinstance(claims, Mapping):
            for segment in self._children.keys() & claims.keys():
                yield from self._children[segment].find(claims[segment])
