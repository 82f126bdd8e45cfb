"""The set of revocations as the log tells it, and the proof that nothing of it is missing."""

from collections.abc import Iterable
from typing import Self

from wsgate_contract.revocation_log import LogEntry, SetDigest


class LogSet:
    """Members up to an entry of the log.

    It may have been read after that entry: then some of what follows is in it already, and to add a member
    twice or to remove one that is gone changes nothing.
    """

    def __init__(self, members: set[str], digest: SetDigest, cursor: str, epoch: str) -> None:
        self.members = members
        self.cursor = cursor
        """Id of the last entry that was applied."""
        self.epoch = epoch
        self._digest = digest

    @classmethod
    def of(cls, members: Iterable[str], cursor: str, epoch: str) -> Self:
        """As it was read; costs one hash for each member."""
        found = set(members)
        return cls(found, SetDigest.of(found), cursor, epoch)

    def apply(self, entry_id: str, entry: LogEntry) -> None:
        """Follow one entry; after a reset the members are those of the former life, see agrees_with()."""
        if entry.change == "add" and entry.member not in self.members:
            self.members.add(entry.member)
            self._digest = self._digest.added(entry.member)
        elif entry.change == "remove" and entry.member in self.members:
            self.members.discard(entry.member)
            self._digest = self._digest.removed(entry.member)
        self.cursor, self.epoch = entry_id, entry.epoch

    def agrees_with(self, head_id: str, head: LogEntry) -> bool:
        """Whether this is the set that the newest entry describes."""
        return (self.cursor, self.epoch, self._digest) == (head_id, head.epoch, head.digest)
