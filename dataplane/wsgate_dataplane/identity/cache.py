"""Which signatures were verified before: never who a token says that it is.

The proof that is kept is a fact: this provider's key has made this signature of this text. It is asked for
when the provider and the key are known, so that it spares the cryptography and no other check. A key that left
its provider's set is not found, and its proofs with it; a token that differs in one bit has none.
"""

import hashlib
import time
from collections.abc import Callable, Coroutine
from typing import Any

from wsgate_dataplane.identity.compact import UnverifiedToken
from wsgate_dataplane.identity.stores.memory import MemoryStore
from wsgate_dataplane.identity.stores.shared import Finding, SharedStore
from wsgate_dataplane.telemetry.metrics import Metrics

KEPT_SECONDS_MAX = 86_400
"""Longest time that a proof is kept; else it goes with the token's exp."""

_CONTEXT = b"wsgate token proof 1\0"
MEMORY, SHARED, MISS = Finding.MEMORY, Finding.SHARED, Finding.MISS
"""Names of their own: to look a member up in its class takes ten times as long."""


Proof = tuple[str, str, str, bytes]
"""Provider, key, SHA-256 of the text, and the signature: one text has several that are good."""


def proof_of(provider_id: str, thumbprint: str, token: UnverifiedToken) -> Proof:
    """Of a token that the provider's key with that thumbprint has signed."""
    return provider_id, thumbprint, token.sha256, token.signature


def digest_of(proof: Proof) -> bytes:
    """SHA-256 that names the proof in a shared store."""
    *names, signature = proof
    # All but the signature are of fixed length, so that no two proofs have the same text.
    return hashlib.sha256(_CONTEXT + ".".join((*names, "")).encode() + signature).digest()


class TokenCache:
    """Asks this process first, and then the store that pods share, where there is one."""

    def __init__(
        self,
        memory: MemoryStore[Proof],
        shared: SharedStore | None,
        metrics: Metrics,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._memory = memory
        self._shared = shared
        self._clock = clock
        self._tallies = {finding: metrics.token_cache_lookups[finding.value] for finding in Finding}
        metrics.token_cache_entries.set_function(lambda: len(memory))

    @property
    def tasks(self) -> tuple[Callable[[], Coroutine[Any, Any, None]], ...]:
        """What must run beside the handshakes."""
        return () if self._shared is None else (self._shared.run,)

    def is_at_hand(self, proof: Proof) -> bool:
        """Whether this process knows it; where it does not and is_shared, is_elsewhere() tells."""
        if self._memory.holds(proof, self._clock()):
            self._tallies[MEMORY].count += 1
            return True
        if self._shared is None:
            self._tallies[MISS].count += 1
        return False

    @property
    def is_shared(self) -> bool:
        """Whether pods share a store, which is_elsewhere() asks."""
        return self._shared is not None

    async def is_elsewhere(self, proof: Proof) -> bool:
        """Whether the shared store knows it; False as well for every trouble that it may make. Never raises."""
        assert self._shared is not None, "see is_shared"
        finding, expires_at = await self._shared.ask(digest_of(proof), self._clock())
        if finding is SHARED:
            self._memory.keep(proof, expires_at)
        self._tallies[finding].count += 1
        return finding is SHARED

    def keep(self, proof: Proof, expires_at: object) -> None:
        """Remember what was verified until the token's exp, which nobody has checked yet."""
        now = int(self._clock())
        # What the check of the claims will refuse needs no room. bool is an int.
        if type(expires_at) is not int or expires_at <= now:
            return
        until = min(expires_at, now + KEPT_SECONDS_MAX)
        self._memory.keep(proof, until)
        if self._shared is not None:
            self._shared.tell(digest_of(proof), until)
